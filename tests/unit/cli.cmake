# SPDX-License-Identifier: MIT
permit_test(cli_guard LIBS permit_guard LABELS cli)
