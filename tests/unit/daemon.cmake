# SPDX-License-Identifier: MIT
permit_test(config LIBS permitd_server)
permit_test(clock_log LIBS permitd_server)
permit_test(listener LIBS permitd_server)
permit_test(connection SOURCES connection.c ../support/late_store.c
                               ../support/fault.c
            LIBS permitd_server)
target_link_options(test_connection PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
permit_test(server_memory SOURCES server_memory.c ../support/fault.c
            LIBS permitd_server)
target_link_options(test_server_memory PRIVATE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)
