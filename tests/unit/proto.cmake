# SPDX-License-Identifier: MIT
permit_test(duration LIBS permit_wire)
permit_test(error LIBS permit_wire)
permit_test(frame LIBS permit_wire)
permit_test(wire LIBS permit_wire)
permit_test(wire_input LIBS permit_wire permit_generated)
permit_test(wire_values LIBS permit_wire permit_generated)
permit_test(wire_parts LIBS permit_wire permit_generated)
permit_test(wire_server LIBS permit_wire permit_generated)
permit_test(json LIBS permit_json)

find_program(PROTOC protoc REQUIRED)
add_test(NAME wire_cases COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/wire_cases.py)
