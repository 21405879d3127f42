# SPDX-License-Identifier: MIT
"""Two machines, as far as the network can tell: namespaces with a cable between
them. Root's; where they are forbidden, the test is skipped and says so."""
import contextlib
import ctypes
import os
import subprocess

import pytest

CLONE_NEWNET = 0x40000000


def run(*words, **options):
    return subprocess.run(list(map(str, words)), check=True, text=True,
                          capture_output=True, **options)


class Network:
    """The daemon's machine and the client's; what is made or connected inside
    of one stays there."""

    ADDRESSES = {"daemon": "10.98.0.1", "client": "10.98.0.2"}

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.names = {side: f"permit-{os.getpid()}-{side}"
                      for side in self.ADDRESSES}

    def make(self):
        for name in self.names.values():
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", self.names["daemon"], "link", "add", "cable", "type",
            "veth", "peer", "name", "cable", "netns", self.names["client"])
        for side, address in self.ADDRESSES.items():
            run("ip", "-n", self.names[side], "address", "add", f"{address}/24",
                "dev", "cable")
        self.plug()

    def remove(self):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False,
                           capture_output=True)

    @contextlib.contextmanager
    def inside(self, side):
        with open("/proc/thread-self/ns/net", "rb") as own, \
                open(f"/run/netns/{self.names[side]}", "rb") as other:
            assert self.libc.setns(other.fileno(), CLONE_NEWNET) == 0
            try:
                yield
            finally:
                assert self.libc.setns(own.fileno(), CLONE_NEWNET) == 0

    def plug(self, is_up=True):
        """Both ends: so that neither side sees a carrier that goes."""
        for name in self.names.values():
            run("ip", "-n", name, "link", "set", "cable",
                "up" if is_up else "down")

    def drop(self, hook, condition=""):
        """Drops packets at the client's "input" or "output"."""
        self.nft("-f", "-", input=f"""table inet faults {{
            chain {hook} {{
                type filter hook {hook} priority 0
                {condition} drop
            }}
        }}
        """)

    def drop_nothing(self):
        self.nft("delete", "table", "inet", "faults")

    def nft(self, *words, **options):
        run("ip", "netns", "exec", self.names["client"], "nft", *words,
            **options)


@pytest.fixture(name="network")
def fixture_network():
    network = Network()
    try:
        network.make()
        network.nft("list", "tables")
    except (OSError, subprocess.CalledProcessError) as error:
        network.remove()
        pytest.skip("this machine forbids network namespaces: "
                    f"{getattr(error, 'stderr', '') or error}")
    yield network
    network.remove()
