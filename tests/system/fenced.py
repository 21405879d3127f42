# SPDX-License-Identifier: MIT
"""The sample resource of the tests: the table of client/examples/fenced_table.c
which keeps the highest fence of each slot and rejects a lower one."""
import os
import pathlib
import sqlite3
import subprocess

PROGRAM = pathlib.Path(os.environ["PERMIT_BIN"]).parent.parent / \
    "examples" / "fenced_table"
REJECTED = 124


class Table:
    """A table in a file."""

    def __init__(self, path):
        self.path = path

    def write(self, fence, text="row", slots=()):
        """Writes for the holder of that fence; False if it is rejected."""
        env = {**os.environ, "PERMIT_FENCE": str(fence),
               "PERMIT_SLOTS": ",".join(map(str, slots))}
        done = subprocess.run([PROGRAM, self.path], env=env, input=text + "\n",
                              capture_output=True, text=True, timeout=20,
                              check=False)
        assert done.returncode in (0, REJECTED), done.stderr
        assert (done.stdout == f"written: {text}\n") == (done.returncode == 0)
        return done.returncode == 0

    def query(self, sql):
        table = sqlite3.connect(self.path)
        try:
            return table.execute(sql).fetchall()
        finally:
            table.close()

    def rows(self):
        """The texts, oldest first."""
        return [text for text, in
                self.query("SELECT text FROM rows ORDER BY number")]

    def fences(self):
        """The highest that each slot has seen."""
        return dict(self.query("SELECT slot, fence FROM slots"))
