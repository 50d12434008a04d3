"""What lies where in a process, by the text of /proc/PID/maps."""

from __future__ import annotations

import os

from pybpf.sys import processes
from pybpf.sys.devices import block_device
from pybpf.sys.processes import Mapping

TEXT = b"""\
55d5c0a00000-55d5c0a02000 r--p 00000000 fe:00 1234                       /usr/bin/cat
55d5c0a02000-55d5c0a06000 r-xp 00002000 fe:00 1234                       /usr/bin/cat
7f0000000000-7f0000001000 r-xp 00000000 00:00 0
7f0000002000-7f0000003000 r-xp 00001000 fe:00 99                         /tmp/a b\\012c (deleted)
7ffc00000000-7ffc00002000 r-xp 00000000 00:00 0                          [vdso]
"""


def test_code() -> None:
    assert processes.parse(TEXT) == [
        Mapping(0x55D5C0A02000, 0x55D5C0A06000, 0x2000, "/usr/bin/cat"),
        Mapping(0x7F0000000000, 0x7F0000001000, 0, ""),
        Mapping(0x7F0000002000, 0x7F0000003000, 0x1000, "/tmp/a b\\012c (deleted)"),
        Mapping(0x7FFC00000000, 0x7FFC00002000, 0, "[vdso]"),
    ]


def test_a_process_that_is_gone() -> None:
    assert processes.mappings(1 << 30) == []


def test_a_device_without_a_name() -> None:
    assert block_device(4095 << 20 | 1048575) == "4095:1048575"
    assert os.sep not in block_device(7 << 20)
