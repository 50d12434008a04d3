"""The BTF of what is loaded: needs CAP_SYS_ADMIN."""

from __future__ import annotations

import contextlib

import pytest

from pybpf.btf import kernel
from pybpf.btf.build import Builder
from pybpf.errors import BtfError, SyscallError
from pybpf.inspect.live_btf import btf_by_id, btf_of_map, btf_of_program
from pybpf.spec import Int, Struct
from pybpf.sys import Fd, command, object_info
from pybpf.uapi import bpf

KEY = Struct("Key", [("tid", Int("u32", 4)), ("op", Int("u32", 4))])


def make_map(types: int = 0, key: int = 0) -> Fd:
    fields = {"btf_fd": types, "btf_key_type_id": key, "btf_value_type_id": key} if types else {}
    sizes = {"key_size": 8, "value_size": 8, "max_entries": 1}
    return Fd(command(bpf.BPF_MAP_CREATE, map_type=bpf.BPF_MAP_TYPE_HASH, **sizes, **fields), "map")


def test_of_a_map_by_both_ids() -> None:
    builder = Builder()
    key, _ = builder.map_types(KEY, None)
    data = builder.finish()
    types = Fd(command(bpf.BPF_BTF_LOAD, btf=data, btf_size=len(data)), "BTF")
    with types, make_map(types.fileno(), key) as made:
        [number] = object_info(made.fileno(), "map", "id")
        [btf_id] = object_info(types.fileno(), "btf", "id")
        for found in (btf_of_map(number), btf_by_id(btf_id)):
            assert found["struct Key"].field("op").offset == 4
            assert found.name == f"id {btf_id}"


def test_of_a_map_without() -> None:
    with make_map() as made:
        [number] = object_info(made.fileno(), "map", "id")
        with pytest.raises(BtfError, match=rf"^the map {number} was made without BTF$"):
            btf_of_map(number)


def test_of_the_kernel() -> None:
    """vmlinux's is among the first, once something asked for it; it is what sysfs has."""
    found = []
    for number in range(1, 20):
        with contextlib.suppress(SyscallError):
            found.append(btf_by_id(number))
    named = [btf for btf in found if btf.name == "vmlinux"]
    if not named:
        pytest.skip("this kernel's own BTF has no id (before 5.11)")
    assert len(named[0]) == len(kernel())


def test_of_nothing() -> None:
    with pytest.raises(SyscallError, match="No such file or directory"):
        btf_of_program((1 << 32) - 1)
