# SPDX-License-Identifier: MIT
"""libpermit's public face: its headers, its names and its page. What the shipped library
is made of is in test_release_library.py."""
import re
import shlex

import pytest

from library import (HEADERS, LANGUAGES, PAGE, STRICT, declared, documented,
                     exported, headers, mapped, run)

# What a header needs besides the library's own.
NEEDS = {"permit/adapter/libevent.h": "libevent_core",
         "permit/adapter/libuv.h": "libuv",
         "permit/adapter/glib.h": "glib-2.0"}


@pytest.mark.parametrize("compiler", [
    *LANGUAGES.values(), ["clang", "-std=c11", "-xc"],
    ["clang++", "-std=c++17", "-xc++"]], ids=lambda words: words[0])
@pytest.mark.parametrize("header", headers())
def test_a_header_stands_alone(header, compiler):
    flags = []
    if header in NEEDS:
        flags = shlex.split(run("pkg-config", "--cflags", NEEDS[header]))
        # Their warnings are not ours.
        flags = [flag.replace("-I", "-isystem", 1) for flag in flags]
    run(*compiler, *STRICT, f"-I{HEADERS}", *flags, "-fsyntax-only", "-",
        input=f"#include <{header}>\n")


def test_the_library_exports_what_the_headers_declare():
    assert set(declared()) == mapped()
    names = {"PERMIT_0.1"} | {f"{name}@@PERMIT_0.1" for name in declared()}
    assert exported() | {"PERMIT_0.1"} == names


def test_the_page_is_well_formed():
    run("mandoc", "-Tlint", "-Wwarning", PAGE)


def test_the_page_has_every_function_as_it_is_declared():
    assert documented() == declared()


def test_the_page_says_what_each_function_and_each_status_means():
    prose = PAGE.read_text().partition(".Sh DESCRIPTION")[2]
    for name in declared():
        assert re.search(rf"Fn {name}\b", prose), name
    statuses = re.findall(r"X\((PERMIT_(?:E|LOSS)_\w+)",
                          (HEADERS / "permit" / "error.h").read_text())
    for status in ["PERMIT_OK", *statuses]:
        assert re.search(rf"Dv {status}\b", prose), status
