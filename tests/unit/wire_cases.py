#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks the bytes of wire_cases_*.h against protoc, which knows nothing of our
code; with --corpus, writes the seeds of the fuzz targets from them."""

import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PREFACE = b"\x93PM\x01"
LITERALS = r'((?:"[^"]*"\s*)+)'


def joined(literals):
    return "".join(re.findall(r'"([^"]*)"', literals))


def cases():
    """Yields (kind, text format, bytes) of every case."""
    source = "".join((HERE / f"wire_cases_{of}.h").read_text()
                     for of in ("client", "server"))
    pattern = rf"\b(CLIENT|SERVER)\(\s*{LITERALS},\s*{LITERALS},"
    for kind, text, digits in re.findall(pattern, source):
        yield kind, joined(text), bytes.fromhex(joined(digits))


def encode(kind, text):
    message = "permit.v1.ClientMessage"
    if kind == "SERVER":
        message = "permit.v1.ServerMessage"
    return subprocess.run(
        ["protoc", f"--encode={message}", f"-I{ROOT}/proto", "permit.proto"],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout


def write_corpus():
    corpus = ROOT / "tests" / "fuzz" / "corpus"
    streams = {"CLIENT": PREFACE, "SERVER": PREFACE}
    for number, (kind, _, message) in enumerate(cases()):
        name = f"{kind.lower()}-{number:02}"
        (corpus / "message" / name).write_bytes(kind[:1].encode() + message)
        frame = len(message).to_bytes(4, "big") + message
        (corpus / "frame" / name).write_bytes(PREFACE + frame)
        streams[kind] += frame
    for kind, stream in streams.items():
        (corpus / "frame" / f"{kind.lower()}-all").write_bytes(stream)


def main():
    if sys.argv[1:] == ["--corpus"]:
        write_corpus()
        return 0
    count = 0
    for kind, text, message in cases():
        expected = encode(kind, text)
        if message != expected:
            print(f"{text}\n is  {message.hex()}\n not {expected.hex()}")
            return 1
        count += 1
    print(f"{count} messages are as protoc has them")
    return 0 if count >= 40 else 1


if __name__ == "__main__":
    sys.exit(main())
