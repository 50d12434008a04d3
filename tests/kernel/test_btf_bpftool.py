"""Every type of kernels as bpftool sees it, field for field; and of a module, split on its kernel's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pybpf import btf
from pybpf.btf.describe import describe

sys.path.insert(0, str(Path(__file__).parent))
from btf_kernels import KERNELS, bpftool


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


def shown(*arguments: str) -> list[dict[str, Any]]:
    command = [bpftool(), "-j", *arguments]
    rows: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[
        "types"
    ]
    return rows


@pytest.mark.native
@pytest.mark.parametrize("path", KERNELS)
def test_every_type(path: str) -> None:
    rows, kernel = shown("btf", "dump", "file", path), btf.load(path)
    assert len(kernel) == len(rows) + 1
    for type, row in zip(kernel, rows):
        assert as_bpftool(type) == without_its_fault(row)


@pytest.mark.needs("btf")
def test_every_type_of_a_module() -> None:
    subprocess.run(["modprobe", "-q", "ext4"], check=False)
    path = "/sys/kernel/btf/ext4"
    if not Path(path).exists():
        pytest.skip("this kernel has no BTF of modules (it has no modules, or is older than 5.11)")
    module = btf.module("ext4")
    rows = shown("-B", "/sys/kernel/btf/vmlinux", "btf", "dump", "file", path)
    assert [as_bpftool(type) for type in module] == [without_its_fault(row) for row in rows]
    assert module["struct ext4_sb_info"].field("s_sb").type is module.type("struct super_block *")
    prototype = module.function("ext4_file_open")
    assert [p.type.declaration for p in prototype.parameters] == ["struct inode *", "struct file *"]
