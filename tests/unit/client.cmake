# SPDX-License-Identifier: MIT
permit_test(client_core SOURCES client_core.c ../support/client_script.c
            LIBS permit_static)
permit_test(client_hostile SOURCES client_hostile.c ../support/client_script.c
            LIBS permit_static)
foreach(name client_core client_hostile)
  target_include_directories(test_${name}
    PRIVATE ${PROJECT_SOURCE_DIR}/client ${PROJECT_SOURCE_DIR}/proto)
endforeach()

# With a real daemon.
permit_test(client_blocking SOURCES client_blocking.c ../support/daemon.c
            LIBS permit_static)
foreach(name client_blocking)
  add_dependencies(test_${name} permitd)
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "PERMITD_BIN=$<TARGET_FILE:permitd>")
endforeach()
