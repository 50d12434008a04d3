"""kprobes and kretprobes: a program that counts, on functions that this process calls."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

import pytest

from pybpf import features, link, load
from pybpf.asm import ops
from pybpf.asm.ops import R0, R1, R2, R10
from pybpf.errors import LoadError, SyscallError, UnsupportedFeature
from pybpf.link import event, kprobe
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec, functions
from pybpf.uapi import bpf

COUNTS = MapSpec("counts", bpf.BPF_MAP_TYPE_ARRAY, 4, 8, 1)


def counter() -> ObjectSpec:
    """Counts the calls of this process."""
    code = (
        ops.call("get_current_pid_tgid"),
        ops.alu("rsh", R0, 32),
        ops.jump("jne", R0, os.getpid(), "out"),
        ops.store(4, R10, -4, 0),
        ops.mov64(R2, R10),
        ops.alu("add", R2, -4),
        ops.load_map(R1, "counts"),
        ops.call("map_lookup_elem"),
        ops.jump("jeq", R0, 0, "out"),
        ops.mov64(R1, 1),
        ops.atomic("add", 8, R0, 0, R1),
        ops.at("out", ops.mov64(R0, 0)),
        ops.exit_(),
    )
    program = ProgramSpec("count", bpf.BPF_PROG_TYPE_KPROBE, code, Attach("kprobe", ()))
    return ObjectSpec("counter", (program,), (COUNTS,))


@pytest.fixture
def loaded() -> Iterator[load.Loaded]:
    with load.load(counter()) as loaded:
        yield loaded


def count(loaded: load.Loaded) -> int:
    value = loaded.maps["counts"].lookup(bytes(4))
    assert value is not None
    return int(struct.unpack("<Q", value)[0])


@pytest.mark.needs("kprobes")
@pytest.mark.parametrize("by", ["link", "ioctl"])
@pytest.mark.parametrize("kind", ["kprobe", "kretprobe"])
def test_it_runs_while_attached_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, loaded: load.Loaded, kind: str, by: str
) -> None:
    if by == "ioctl":

        def refuse(number: int, **fields: object) -> int:
            raise SyscallError("bpf(BPF_LINK_CREATE)", 22)

        monkeypatch.setattr(event, "command", refuse)
    os.statvfs("/")
    with link.attach(kind, loaded.programs["count"].fileno(), "vfs_statfs") as attached:
        assert count(loaded) == 0
        for _ in range(10):
            os.statvfs("/")
        assert count(loaded) == 10
        info = attached.info()
        assert (info.kind, info.symbol) == (kind, "vfs_statfs")
        assert (info.id > 0) is (by == "link" and bool(features.perf_link()))
        assert repr(attached) == f"<{kind} vfs_statfs: attached>"
    attached.close()
    os.statvfs("/")
    assert count(loaded) == 10
    assert repr(attached) == f"<{kind} vfs_statfs: detached>"


@pytest.mark.needs("kprobes")
@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("vfs_statsf", "this kernel has no such function (did you mean vfs_statfs"),
        ("jfs_fsync", "module jfs is not loaded: modprobe jfs"),
        ("do_int3", "it can't be probed: it is on the kernel's kprobe blacklist"),
        ("trace_call_bpf", "it can't be probed: "),
    ],
)
def test_what_can_not_be_probed(loaded: load.Loaded, symbol: str, words: str) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(LoadError) as caught:
        link.attach("kprobe", loaded.programs["count"].fileno(), symbol)
    assert str(caught.value).startswith(f"kprobe {symbol}: {words}")
    assert caught.value.name == symbol
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.needs("kprobes")
def test_a_descriptor_that_is_no_program() -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(SyscallError, match=r"^bpf\(BPF_LINK_CREATE\): |^ioctl\(PERF_EVENT_IOC_SET_BPF\): "):
        kprobe.attach(0, "vfs_statfs")
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_functions_of_this_kernel() -> None:
    resolved = link.resolve(functions("vfs_read, no_such_thing?, nothing|vfs_write, vfs_raed"))
    assert resolved.found == ("vfs_read", "vfs_write")
    ((name, why),) = resolved.missing
    assert name == "vfs_raed"
    assert why.startswith("this kernel has no such function (did you mean vfs_read or ")


def test_a_kernel_without_kprobes_says_so(loaded: load.Loaded) -> None:
    if features.kprobe():
        pytest.skip("this kernel has kprobes")
    with pytest.raises(UnsupportedFeature, match=r"^this kernel has no kprobes: it was built without "):
        link.attach("kprobe", loaded.programs["count"].fileno(), "vfs_statfs")
