"""Every type of the running kernel as bpftool sees it, field for field."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from pybpf import btf
from pybpf.btf.describe import describe


def as_bpftool(type: btf.Type) -> dict[str, Any]:
    found = describe(type)
    # bpftool does not show it.
    found.pop("attribute", None)
    return found


def without_its_fault(row: dict[str, Any]) -> dict[str, Any]:
    """bpftool 7 shows values of unsigned enums from 2^31 up as 64 bits, sign extended, in JSON."""
    if row["kind"] == "ENUM" and row["encoding"] == "UNSIGNED":
        for value in row["values"]:
            value["val"] &= 0xFFFFFFFF
    return row


def test_every_type_of_this_kernel() -> None:
    tool = shutil.which("bpftool", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if tool is None:
        pytest.fail("no bpftool: apt-get install bpftool")
    command = [tool, "-j", "btf", "dump", "file", "/sys/kernel/btf/vmlinux"]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["types"]
    kernel = btf.kernel()
    assert len(kernel) == len(shown) + 1
    for type, row in zip(kernel, shown):
        assert as_bpftool(type) == without_its_fault(row)
