# SPDX-License-Identifier: MIT
permit_test(config LIBS permitd_server)
permit_test(clock_log LIBS permitd_server)
permit_test(connection SOURCES connection.c ../support/late_store.c
            LIBS permitd_server)
