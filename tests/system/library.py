# SPDX-License-Identifier: MIT
"""libpermit as it was built, for the tests of what is shipped."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["PERMIT_BIN"]).parents[2]
SHARED = BUILD / "client" / "libpermit.so.0"
ARCHIVE = BUILD / "client" / "libpermit.a"
HEADERS = ROOT / "include"
PAGE = ROOT / "deploy" / "man" / "libpermit.3"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror",
          "-D_POSIX_C_SOURCE=200809L"]
# Language, standard and compiler of the programs that link it.
LANGUAGES = {"c": ["gcc", "-std=c11", "-xc"],
             "c++": ["g++", "-std=c++17", "-xc++"]}


def run(*command, **options):
    """Runs it to its end, which must be a good one; returns what it says."""
    done = subprocess.run([str(part) for part in command], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=60, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def headers(directory=HEADERS):
    """All public headers, as they are included: "permit/permit.h", ..."""
    return sorted(str(path.relative_to(directory))
                  for path in directory.rglob("*.h"))


def exported(library=SHARED):
    """Names and versions that a shared library exports: "name@@VERSION"."""
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[2] for line in lines if line.split()[1] != "A"}


def tidy(prototype):
    """Without the spaces that do not matter."""
    return re.sub(r" ?([*(),]) ?", r"\1", " ".join(prototype.split()))


def declared():
    """The functions that the public headers declare: name and prototype."""
    text = "".join(f"#include <{name}>\n" for name in headers()
                   if "/adapter/" not in name)
    source = run("gcc", "-E", "-P", f"-I{HEADERS}", "-xc", "-", input=text)
    found = {}
    for statement in source.split(";"):
        _, public, prototype = statement.partition(
            '__attribute__((visibility("default")))')
        if public:
            found[re.search(r"(permit_\w+) *\(", prototype)[1]] = \
                tidy(prototype).replace("_Bool", "bool")
    return found


def mapped():
    """The functions that the version script names, all of one version."""
    text = (ROOT / "client" / "libpermit.map").read_text()
    return set(re.findall(r"^ +(permit_\w+);", text, re.M))


def documented():
    """The functions of the page's synopsis: name and prototype."""
    found = {}
    returns = name = None
    arguments = []
    for line in PAGE.read_text().splitlines():
        macro, _, rest = line.partition(" ")
        rest = rest.strip('"')
        if line == ".Sh DESCRIPTION":
            break
        if macro == ".Ft":
            returns = rest
        elif macro == ".Fo":
            name, arguments = rest, []
        elif macro == ".Fa":
            arguments.append(rest)
        elif macro == ".Fc":
            found[name] = tidy(f"{returns} {name}({', '.join(arguments)})")
    return found


def examples():
    """The programs of the page."""
    _, _, text = PAGE.read_text().partition(".Sh EXAMPLES\n")
    text = text.partition("\n.Sh ")[0]
    return [program.replace("\\e", "\\") for program in
            re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", text, re.M | re.S)]
