#!/bin/sh
# SPDX-License-Identifier: MIT
# engine_pure.sh ARCHIVE: the engine knows no clock, socket, file or log. Fails
# if the archive needs a symbol from outside that is not on this list, or
# has data that could hide state.
set -eu
# malloc: xxhash's header brings it along, uncalled, where nothing is optimised.
allowed='calloc|free|malloc|mem(chr|cmp|cpy|move|set)|str(cmp|len|ncmp|nlen)|__assert_fail'
# What compilers and sanitizers add by themselves; no program can call a clock
# through them.
allowed="$allowed|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(mem(cpy|set|move)|str(cpy|cat))_chk"
allowed="$allowed|__(asan|ubsan|tsan|sancov|sanitizer)_.*|__start___sancov.*|__stop___sancov.*"
# Of the compiler's own library: it divides 128 bits.
allowed="$allowed|__u?(div|mod|divmod)ti[34]"
allowed="$allowed|__gcov_.*|__llvm_profile_.*"
own=$(nm --defined-only "$1" | awk 'NF == 3 && $2 ~ /[A-Z]/ {print $3}' | sort -u)
foreign=$(nm -u "$1" | awk '$1 == "U" || $1 == "w" {print $2}' | sort -u |
    grep -Fxv -e "$own" | grep -Evx "$allowed" || true)
if [ -n "$foreign" ]; then
    echo "the engine calls what it must not know:" >&2
    echo "$foreign" >&2
    exit 1
fi
# Not static data of its own either; sanitizers' data is theirs.
state=$(nm "$1" | awk 'NF == 3 && $2 ~ /^[bBdDC]$/ {print $3}' |
    grep -Ev '^(__|\.|_?_?odr_asan|asan\.|\*?\.?LASAN|_sub_|sancov|\.LA|__unnamed)' || true)
if [ -n "$state" ]; then
    echo "the engine has hidden state: $state" >&2
    exit 1
fi
