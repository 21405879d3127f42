# SPDX-License-Identifier: MIT
"""The examples as they are installed, built by the line that each of them
shows, from the installed library: alone, as C11, without a warning."""
import os
import pathlib
import re

import pytest

from library import BUILD, ROOT, STRICT, run

EXAMPLES = sorted(path.stem for path in
                  (ROOT / "client" / "examples").glob("*.c"))


@pytest.fixture(name="prefix", scope="module")
def fixture_prefix(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--component", "libpermit", "--prefix",
        prefix)
    return prefix


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_built_by_the_line_that_it_shows(prefix, name):
    directory = prefix / "share" / "doc" / "libpermit" / "examples"
    line = re.search(rf"^ \*     (cc {name}\.c .*-o (\w+))",
                     (directory / f"{name}.c").read_text(), re.M)
    strict = " ".join(["gcc", "-std=c11", *STRICT])
    package = next(prefix.rglob("permit.pc")).parent
    run("sh", "-ec", f'cc() {{ {strict} "$@"; }}\n{line[1]}', cwd=directory,
        env={**os.environ, "PKG_CONFIG_PATH": str(package)})
    needed = run("readelf", "-dW", directory / pathlib.Path(line[2]))
    assert "[libpermit.so.0]" in needed
