# SPDX-License-Identifier: MIT
permit_test(cli_definitions LIBS permit_cli LABELS cli)
permit_test(cli_guard LIBS permit_guard LABELS cli)
permit_test(cli_options LIBS permit_cli LABELS cli)
permit_test(cli_text LIBS permit_cli LABELS cli)

# From the death of a wrapper to the next command within 50 ms: of a Release.
add_test(NAME cli_kill_release
  COMMAND /usr/bin/python3 -B -m pytest -q -s -p no:cacheprovider -k sigkill
          ${PROJECT_SOURCE_DIR}/tests/system/test_run.py)
set_tests_properties(cli_kill_release PROPERTIES TIMEOUT 60 LABELS release
  ENVIRONMENT "PERMITD_BIN=$<TARGET_FILE:permitd>;PERMIT_BIN=$<TARGET_FILE:permit>;PROTO_DIR=${PROJECT_SOURCE_DIR}/proto;RUN_KILL_SECONDS=0.05")
