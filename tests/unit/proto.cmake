# SPDX-License-Identifier: MIT
permit_test(error LIBS permit_wire)
permit_test(frame LIBS permit_wire)
permit_test(wire LIBS permit_wire)
