# SPDX-License-Identifier: MIT
# Clients that talk with real sessions, without a socket.
add_library(conversation STATIC
  ../support/conversation.c ../support/fault.c ../support/late_store.c)
target_include_directories(conversation
  PUBLIC ${PROJECT_SOURCE_DIR}/tests/support)
target_link_libraries(conversation PUBLIC permitd_session PkgConfig::CHECK
                                   PRIVATE permitd_flags)
# Allocations of the sessions, the engine, the gate and the codec may fail.
target_link_options(conversation INTERFACE
  -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc)

permit_test(answers LIBS permitd_session)
permit_test(gate LIBS conversation)
permit_test(labels LIBS permitd_session)
permit_test(session LIBS conversation)
permit_test(session_labels LIBS conversation)
permit_test(session_parts LIBS conversation)
permit_test(session_random LIBS conversation)
permit_test(session_resume LIBS conversation)
permit_test(session_slots LIBS conversation)
permit_test(session_undo LIBS conversation)
permit_test(session_stages LIBS conversation)
permit_test(session_memory LIBS conversation)
