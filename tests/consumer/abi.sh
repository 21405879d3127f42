#!/bin/bash
# SPDX-License-Identifier: MIT
# Holds the ABI of libpermit.so against libpermit.abi beside this script: every
# exported function, and every type that one can reach from them.
#
#   abi.sh check LIBPERMIT_SO    tells what differs, and fails
#   abi.sh renew LIBPERMIT_SO    takes the library's ABI as the new reference
#
# The library must be built with gcc -g (a Release build is).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
reference=$root/tests/consumer/libpermit.abi

# dump LIBPERMIT_SO FILE: no path, place, parameter name or private type, which
# are no part of the ABI.
dump() {
    abidw --headers-dir "$root/include/permit" --drop-private-types \
        --exported-interfaces-only --drop-undefined-syms --no-corpus-path \
        --no-comp-dir-path --no-show-locs --no-elf-needed --no-architecture \
        --no-parameter-names --no-write-default-sizes --type-id-style hash \
        --out-file "$2" "$1"
}

case ${1-} in
renew)
    dump "$2" "$reference"
    ;;
check)
    now=$(mktemp)
    trap 'rm -f "$now"' EXIT
    dump "$2" "$now"
    if ! abidiff --harmless "$reference" "$now"; then
        echo "The ABI of libpermit is not the one of tests/consumer/libpermit.abi." \
            "If that is meant: tests/consumer/abi.sh renew $2," \
            "and commit the file with the change." >&2
        exit 1
    fi
    ;;
*)
    sed -n '3,9s/^# \{0,1\}//p' "$0" >&2
    exit 64
    ;;
esac
