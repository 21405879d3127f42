#!/bin/bash
# SPDX-License-Identifier: MIT
# A program outside the tree: permit.h alone as C11 and C++17, and the example
# built with pkg-config from an installed prefix, shared and static. It exports
# what the header says, and nothing else.
#
#   client_consumer.sh CMAKE BUILD_DIR CC [CFLAGS...]
set -euo pipefail
cmake=$1 build=$2
shift 2
source=$(cd "$(dirname "$0")/../.." && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT

"$cmake" --install "$build" --component libpermit --prefix "$prefix" >/dev/null

warnings="-Wall -Wextra -Wpedantic -Wconversion -Werror"
for header in permit error info; do
    echo "#include <permit/$header.h>" |
        cc -std=c11 $warnings -I"$prefix/include" -fsyntax-only -xc -
    echo "#include <permit/$header.h>" |
        c++ -std=c++17 $warnings -I"$prefix/include" -fsyntax-only -xc++ -
done

pc=$(dirname "$(find "$prefix" -name permit.pc)")
libs=$(dirname "$(find "$prefix" -name libpermit.so)")
config() { PKG_CONFIG_PATH=$pc pkg-config "$@" permit; }

"$@" "$source/client/examples/acquire.c" $(config --cflags --libs) \
    -o "$prefix/shared"
readelf -d "$prefix/shared" | grep -q 'NEEDED.*\[libpermit\.so\.0\]'
rm "$libs"/libpermit.so
"$@" "$source/client/examples/acquire.c" $(config --cflags --static --libs) \
    -o "$prefix/static"
if readelf -d "$prefix/static" | grep -q libpermit; then
    echo "the static program needs libpermit.so" >&2
    exit 1
fi

# Nobody listens there: the library works, and says so.
for program in shared static; do
    code=0
    PERMIT_SERVER=127.0.0.1:1 LD_LIBRARY_PATH=$libs "$prefix/$program" \
        2>"$prefix/error" || code=$?
    [ "$code" = 1 ]
    grep -q '127.0.0.1:1: Connection refused' "$prefix/error"
done

said=$(cc -E -P -I"$prefix/include" -xc - <<<'#include <permit/permit.h>' |
    tr '\n' ' ' | tr ';' '\n' | grep 'visibility("default")' |
    grep -oE 'permit_[a-z_]+ *\(' | tr -d ' (' | sort -u)
exported=$(nm -D --defined-only "$libs/libpermit.so.0" |
    awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | sort -u)
diff <(echo "$said") <(echo "$exported")
