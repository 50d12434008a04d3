"""What a tracing program is loaded for: ids of functions and tracepoints, in the kernel and in modules."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from pybpf import btf
from pybpf.btf.build import Builder
from pybpf.errors import LoadError, SyscallError, UnsupportedFeature
from pybpf.load import attach_target as module
from pybpf.load.attach_target import attach_target, target_of
from pybpf.spec import Attach, Function, ProgramSpec
from pybpf.sys import kallsyms, modules
from pybpf.uapi import bpf

SYMBOLS = b"""\
ffffffff81000000 T vfs_read
ffffffff81000010 T __traceiter_sys_enter
ffffffff81000020 t twice
ffffffff81000030 T bpf_lsm_file_open
ffffffffc0000000 t ext4_file_open\t[ext4]
ffffffffc0000010 t xfs_file_open\t[xfs]
"""
TYPES = {
    "fentry": bpf.BPF_TRACE_FENTRY,
    "fexit": bpf.BPF_TRACE_FEXIT,
    "tp_btf": bpf.BPF_TRACE_RAW_TP,
    "lsm": bpf.BPF_LSM_MAC,
    "iterator": bpf.BPF_TRACE_ITER,
}


def types(*names: str) -> btf.Btf:
    """BTF with these functions; what begins with btf_trace_ is a typedef."""
    make = Builder()
    prototype = make.prototype(0, [])
    for name in names:
        if name.startswith("btf_trace_"):
            make.modifier("typedef", make.pointer(prototype), name)
        else:
            make.function(name, prototype)
    return btf.parse(make.finish())


KERNEL = types("vfs_read", "btf_trace_sys_enter", "bpf_lsm_file_open", "bpf_iter_task", "task")
EXT4 = types("other", "ext4_file_open")


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose BTF objects are a program's, which is just going, the kernel's own, and ext4's."""

    def find(name: str) -> btf.Btf:
        if name == "ext4":
            return EXT4
        raise UnsupportedFeature(f"BTF of a module {name!r}", "5.11", "there is none")

    def command(number: int, **fields: Any) -> int:
        if fields["start_id"] == 5:
            raise SyscallError("bpf(BPF_BTF_GET_FD_BY_ID)", errno.ENOENT)
        return 1000 + int(fields["start_id"])

    def info(fd: int, kind: str, *names: str, name: bytearray, name_len: int) -> tuple[int, ...]:
        text = {1001: b"vmlinux", 1007: b"ext4"}[fd]
        name[: len(text)] = text
        return (1,)

    monkeypatch.setattr(kallsyms, "_text", lambda: SYMBOLS)
    monkeypatch.setattr(module, "_numbers", {})
    monkeypatch.setattr(modules, "available", lambda name: False)
    monkeypatch.setattr(btf, "kernel", lambda: KERNEL)
    monkeypatch.setattr(btf, "module", find)
    monkeypatch.setattr(module, "object_ids", lambda kind: iter((1, 5, 7)))
    monkeypatch.setattr(module, "command", command)
    monkeypatch.setattr(module, "object_info", info)
    monkeypatch.setattr("pybpf.sys.fd.os.close", lambda fd: None)


def program(kind: str, *names: str) -> ProgramSpec:
    functions = (Function(names),) if names else ()
    type = bpf.BPF_PROG_TYPE_LSM if kind == "lsm" else bpf.BPF_PROG_TYPE_TRACING
    return ProgramSpec("p", type, (), Attach(kind, functions), attach_type=TYPES[kind])


def id_of(found: btf.Btf, key: str) -> int:
    function = next(found.functions(key), None)
    return function.id if function else found[key].id


@pytest.mark.parametrize(
    ("kind", "names", "fields"),
    [
        ("fentry", ["vfs_read"], lambda: {"attach_btf_id": id_of(KERNEL, "vfs_read")}),
        ("fexit", ["no_such", "vfs_read"], lambda: {"attach_btf_id": id_of(KERNEL, "vfs_read")}),
        ("tp_btf", ["sys_enter"], lambda: {"attach_btf_id": id_of(KERNEL, "btf_trace_sys_enter")}),
        ("lsm", ["file_open"], lambda: {"attach_btf_id": id_of(KERNEL, "bpf_lsm_file_open")}),
        ("iterator", ["task"], lambda: {"attach_btf_id": id_of(KERNEL, "bpf_iter_task")}),
        (
            "fentry",
            ["ext4_file_open"],
            lambda: {"attach_btf_id": id_of(EXT4, "ext4_file_open"), "attach_btf_obj_fd": 1007},
        ),
    ],
)
def test_ids(kind: str, names: list[str], fields: Callable[[], dict[str, int]]) -> None:
    with attach_target(target_of(program(kind, *names))) as found:
        assert found == fields()


def test_programs_of_other_types_have_none() -> None:
    spec = ProgramSpec("p", bpf.BPF_PROG_TYPE_KPROBE, (), Attach("kprobe", (Function(("no_such",)),)))
    with attach_target(target_of(spec)) as found:
        assert found == {}


@pytest.mark.parametrize(
    ("kind", "names", "message"),
    [
        (
            "fentry",
            ["vfs_raed"],
            "program p: vfs_raed: this kernel has no such function (did you mean vfs_read?)",
        ),
        (
            "tp_btf",
            ["sys_entre"],
            "program p: sys_entre: this kernel has no such tracepoint (did you mean sys_enter?)",
        ),
        (
            "lsm",
            ["file_opn"],
            "program p: file_opn: this kernel has no such security hook (did you mean 'file_open'?)",
        ),
        ("fentry", [], "program p: it is attached to nothing"),
        (
            "fentry",
            ["twice"],
            "program p: BTF does not describe twice, or there are several of that name:"
            " a kprobe may still work",
        ),
        (
            "fexit",
            ["xfs_file_open"],
            "program p: this kernel has no BTF of a module 'xfs' (since Linux 5.11): there is none",
        ),
    ],
)
def test_what_is_not_there(kind: str, names: list[str], message: str) -> None:
    with pytest.raises(LoadError) as caught, attach_target(target_of(program(kind, *names))):
        pass
    assert str(caught.value) == message
    assert caught.value.name == "p"


def test_a_module_that_went_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "object_ids", lambda kind: iter((1,)))
    with pytest.raises(LoadError) as caught, attach_target(target_of(program("fentry", "ext4_file_open"))):
        pass
    assert str(caught.value) == "the kernel has no BTF of the module ext4"
