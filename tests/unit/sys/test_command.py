"""bpf(2) calls, without a kernel."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from pybpf.errors import SyscallError
from pybpf.sys import command, explain, needs, object_name, query, syscall
from pybpf.uapi import bpf

Calls = list[tuple[int, bytes, int]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made: Calls = []

    def bpf_call(number: int, attr: Any, size: int) -> int:
        made.append((number, bytes(syscall.ffi().buffer(attr)), size))
        return 7

    monkeypatch.setattr(syscall, "bpf", bpf_call)
    return made


def failing(code: int) -> Callable[[int, Any, int], int]:
    def bpf_call(number: int, attr: Any, size: int) -> int:
        raise SyscallError("bpf", code)

    return bpf_call


def test_fields_stand_where_the_kernel_reads_them(calls: Calls) -> None:
    assert command(bpf.BPF_MAP_CREATE, map_type=1, key_size=4, max_entries=9, map_name=b"starts") == 7
    ((number, attr, size),) = calls
    assert (number, size, len(attr)) == (0, 72, 72)
    words = [int.from_bytes(attr[at : at + 4], "little") for at in range(0, 28, 4)]
    assert words == [1, 4, 0, 9, 0, 0, 0]
    assert attr[28:44] == b"starts".ljust(16, b"\0")


def test_buffers_are_passed_by_their_address(calls: Calls) -> None:
    key = bytearray(b"key.")
    command(bpf.BPF_MAP_LOOKUP_ELEM, map_fd=3, key=key, value=bytearray(8))
    address = int(syscall.ffi().cast("uintptr_t", syscall.ffi().from_buffer(key)))
    assert calls[0][1][:16] == (3).to_bytes(8, "little") + address.to_bytes(8, "little")


def test_what_the_kernel_fills_in_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def bpf_call(number: int, attr: Any, size: int) -> int:
        attr.next_id = attr.start_id + 1
        return 0

    monkeypatch.setattr(syscall, "bpf", bpf_call)
    assert query(bpf.BPF_PROG_GET_NEXT_ID, ("next_id", "open_flags"), start_id=41) == (0, 42, 0)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (errno.EACCES, "bpf(BPF_PROG_LOAD): Permission denied (EACCES)"),  # the verifier's
        (errno.EPERM, "bpf(BPF_PROG_LOAD): Operation not permitted (EPERM): CAP_BPF, CAP_PERFMON"),
        (
            errno.ENOSYS,
            "bpf(BPF_PROG_LOAD): Function not implemented (ENOSYS): "
            "this kernel was built without it (CONFIG_BPF_SYSCALL, CONFIG_PERF_EVENTS)",
        ),
    ],
)
def test_a_failed_call_is_named(monkeypatch: pytest.MonkeyPatch, code: int, text: str) -> None:
    monkeypatch.setattr(syscall, "bpf", failing(code))
    monkeypatch.setattr(explain, "privilege", lambda: None)
    monkeypatch.setattr(explain, "denied", lambda needs, having: ", ".join(needs))
    monkeypatch.setattr(explain, "missing", lambda needs, having: list(needs))
    with pytest.raises(SyscallError) as caught:
        command(bpf.BPF_PROG_LOAD, prog_type=2)
    assert str(caught.value) == text
    assert (caught.value.call, caught.value.errno) == ("bpf(BPF_PROG_LOAD)", code)
    assert caught.value.lacking == (("CAP_BPF", "CAP_PERFMON") if code == errno.EPERM else ())


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"prog_type": bpf.BPF_PROG_TYPE_SOCKET_FILTER}, ()),
        ({"prog_type": bpf.BPF_PROG_TYPE_KPROBE}, ("CAP_PERFMON",)),
        ({"prog_type": bpf.BPF_PROG_TYPE_XDP}, ("CAP_NET_ADMIN",)),
        ({"prog_type": bpf.BPF_PROG_TYPE_EXT}, ("CAP_PERFMON", "CAP_NET_ADMIN")),
        ({"map_type": bpf.BPF_MAP_TYPE_HASH}, ()),
        ({"map_type": bpf.BPF_MAP_TYPE_SOCKHASH}, ("CAP_NET_ADMIN",)),
        ({"map_fd": 3}, ()),
    ],
)
def test_what_a_type_asks_for_beside_cap_bpf(fields: dict[str, int], found: tuple[str, ...]) -> None:
    assert needs.also(fields) == found


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("starts", b"starts"),
        ("ig_fssl_statfs_e", b"ig_fssl_statfs_"),
        (".rodata", b".rodata"),
        ("a-b c/é", b"a_b_c__"),
    ],
)
def test_names_as_the_kernel_takes_them(name: str, taken: bytes) -> None:
    assert object_name(name) == taken


def test_what_a_link_takes_lies_in_a_union(calls: Calls) -> None:
    command(bpf.BPF_LINK_CREATE, prog_fd=3, attach_type=47, tracing_cookie=7)
    command(bpf.BPF_LINK_CREATE, prog_fd=3, attach_type=48, uprobe_cnt=2, uprobe_pid=9)
    assert [size for _, _, size in calls] == [64, 64]
    assert calls[0][1].find(7) == 24
    assert (calls[1][1].find(2), calls[1][1].find(9)) == (48, 56)
