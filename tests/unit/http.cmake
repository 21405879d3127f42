# SPDX-License-Identifier: MIT
# http_world.c stands for the sessions and the engine.
permit_test(http SOURCES http.c http_world.c LIBS permitd_http)
permit_test(http_load SOURCES http_load.c http_world.c LIBS permitd_http)
permit_test(http_memory SOURCES http_memory.c http_world.c LIBS permitd_http)
target_link_options(test_http_memory PRIVATE -Wl,--wrap=calloc)
