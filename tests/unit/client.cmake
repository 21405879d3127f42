# SPDX-License-Identifier: MIT
permit_test(client_core SOURCES client_core.c ../support/client_script.c
            LIBS permit_static)
foreach(name client_core_edges client_core_lists)
  permit_test(${name} SOURCES ${name}.c ../support/client_script.c
              LIBS permit_static)
endforeach()
permit_test(client_opening SOURCES client_opening.c ../support/client_script.c
            LIBS permit_static)
permit_test(client_hostile SOURCES client_hostile.c ../support/client_script.c
            LIBS permit_static)
permit_test(client_resume SOURCES client_resume.c ../support/client_script.c
            LIBS permit_static)
permit_test(client_core_holds
            SOURCES client_core_holds.c ../support/client_script.c
            LIBS permit_static)
permit_test(client_core_parts
            SOURCES client_core_parts.c ../support/client_script.c
            LIBS permit_static)
permit_test(client_crossing
            SOURCES client_crossing.c ../support/client_script.c
            LIBS permit_static)
foreach(name client_core client_core_edges client_core_holds client_core_lists
             client_core_parts
             client_crossing
             client_hostile
             client_opening client_resume)
  target_include_directories(test_${name}
    PRIVATE ${PROJECT_SOURCE_DIR}/client ${PROJECT_SOURCE_DIR}/proto)
endforeach()

foreach(name client_backoff client_local_limit)
  permit_test(${name} LIBS permit_static)
  target_include_directories(test_${name}
    PRIVATE ${PROJECT_SOURCE_DIR}/client ${PROJECT_SOURCE_DIR}/tests/sim)
endforeach()

permit_test(client_connector SOURCES client_connector.c ../support/daemon.c
            LIBS permit_static)
target_include_directories(test_client_connector
  PRIVATE ${PROJECT_SOURCE_DIR}/client)

foreach(name client_async client_async_bytes client_async_faults
             client_async_grants client_async_life client_async_line
             client_async_local client_async_parts client_async_resume)
  permit_test(${name}
              SOURCES ${name}.c ../support/async_script.c
                      ../support/async_script_server.c ../support/daemon.c
              LIBS permit_static)
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/proto)
endforeach()
target_link_options(test_client_async PRIVATE -Wl,--wrap=send)

permit_test(client_silence SOURCES client_silence.c ../support/daemon.c
            LIBS permit_static)
target_include_directories(test_client_silence
  PRIVATE ${PROJECT_SOURCE_DIR}/proto)

# With a real daemon.
permit_test(client_options SOURCES client_options.c ../support/daemon.c
            LIBS permit_static LABELS tsan)
target_include_directories(test_client_options
  PRIVATE ${PROJECT_SOURCE_DIR}/client)
target_link_options(test_client_options PRIVATE -Wl,--wrap=getaddrinfo)
permit_test(client_blocking SOURCES client_blocking.c ../support/daemon.c
            LIBS permit_static LABELS tsan TIMEOUT 120)
foreach(name client_labels client_misuse)
  permit_test(${name} SOURCES ${name}.c ../support/daemon.c LIBS permit_static)
endforeach()
foreach(name client_away client_local client_parts client_renew)
  permit_test(${name} SOURCES ${name}.c ../support/daemon.c
              LIBS permit_static LABELS tsan)
endforeach()
permit_test(client_threads SOURCES client_threads.c ../support/daemon.c
            LIBS permit_static LABELS tsan TIMEOUT 120)
permit_test(client_faults
            SOURCES client_faults.c ../support/broken_calls.c
                    ../support/client_story.c ../support/client_story_async.c
                    ../support/daemon.c
            LIBS permit_static)
# What the library calls of the system.
set(BROKEN_CALLS_WRAP
  connect eventfd fcntl getaddrinfo gethostname getpwuid_r getsockopt madvise
  mmap poll pthread_create read recv send setsockopt socket timerfd_create
  timerfd_settime write)
list(TRANSFORM BROKEN_CALLS_WRAP PREPEND -Wl,--wrap=)
target_link_options(test_client_faults PRIVATE ${BROKEN_CALLS_WRAP})
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(GLIB REQUIRED IMPORTED_TARGET glib-2.0)
permit_test(client_async_loops SOURCES client_async_loops.c ../support/daemon.c
            LIBS permit_static PkgConfig::EVENT_CORE PkgConfig::LIBUV
                 PkgConfig::GLIB)
foreach(name client_async_loops client_away client_blocking client_faults
             client_labels client_local client_misuse client_options
             client_parts client_renew client_threads)
  add_dependencies(test_${name} permitd)
  set_tests_properties(${name} PROPERTIES
    ENVIRONMENT "PERMITD_BIN=$<TARGET_FILE:permitd>")
endforeach()
