# SPDX-License-Identifier: MIT
"""libpermit's public face: its headers and its names. What the shipped library
is made of is in test_release_library.py."""
import shlex

import pytest

from library import (HEADERS, LANGUAGES, STRICT, declared, exported, headers,
                     mapped, run)

# What a header needs besides the library's own.
NEEDS = {"permit/adapter/libevent.h": "libevent_core",
         "permit/adapter/libuv.h": "libuv",
         "permit/adapter/glib.h": "glib-2.0"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("header", headers())
def test_a_header_stands_alone(header, language):
    flags = []
    if header in NEEDS:
        flags = shlex.split(run("pkg-config", "--cflags", NEEDS[header]))
        # Their warnings are not ours.
        flags = [flag.replace("-I", "-isystem", 1) for flag in flags]
    run(*LANGUAGES[language], *STRICT, f"-I{HEADERS}", *flags,
        "-fsyntax-only", "-", input=f"#include <{header}>\n")


def test_the_library_exports_what_the_headers_declare():
    assert declared() == mapped()
    names = {"PERMIT_0.1"} | {f"{name}@@PERMIT_0.1" for name in declared()}
    assert exported() | {"PERMIT_0.1"} == names
