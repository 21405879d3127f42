# SPDX-License-Identifier: MIT
# The engine's scripts: a fake clock, a transcript.
add_library(engine_script STATIC
  ../support/script.c ../support/script_print.c ../support/script_restore.c)
target_include_directories(engine_script
  PUBLIC ${PROJECT_SOURCE_DIR}/tests/support)
target_link_libraries(engine_script PUBLIC permitd_engine PkgConfig::CHECK
                                    PRIVATE permitd_flags)

foreach(name acquire release session linger define slots restore view limits
             rates settle parts policies waits templates join shadow why)
  permit_test(engine_${name} LIBS engine_script)
endforeach()
target_link_options(test_engine_limits PRIVATE -Wl,--wrap=calloc)
# A million of everything: only a Release build runs it.
permit_test(engine_faults LIBS engine_script LABELS release)
target_link_options(test_engine_faults PRIVATE -Wl,--wrap=calloc)
permit_test(queue LIBS permitd_engine)
permit_test(deadlines LIBS permitd_engine)
permit_test(bucket LIBS permitd_engine)
permit_test(holds LIBS permitd_engine)
permit_test(shares LIBS permitd_engine)

add_test(NAME engine_is_pure
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/engine_pure.sh
          $<TARGET_FILE:permitd_engine>)

# Mutants of modules whose own tests have to find them.
if(PERMITD_COVERAGE)
  return() # What mutants reach does not count.
endif()
set(mutants ${CMAKE_CURRENT_SOURCE_DIR}/mutants.py)
permit_mutants(${mutants} names)
foreach(name IN LISTS names)
  get_filename_component(module ${${name}_SOURCE} NAME)
  # The copy comes before the library, which so has no part in what it defines.
  add_executable(mutant_${name} ${${name}_COPY} ${module})
  target_link_libraries(mutant_${name} PRIVATE permitd_engine permitd_flags
                                               PkgConfig::CHECK)
  add_test(NAME mutant_${name}
    COMMAND /usr/bin/python3 -B ${mutants} check ${name}
            ${${name}_SOURCE} $<TARGET_FILE:mutant_${name}>)
  set_tests_properties(mutant_${name} PROPERTIES TIMEOUT 60 LABELS mutant)
endforeach()
