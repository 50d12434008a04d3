"""trace_open on the machine."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from pybpf.vm import UNREADABLE, Machine, Object

O_CREAT, O_CLOEXEC, AT_FDCWD = 0o100, 0o2000000, -100


def enter(machine: Machine, record: Any, call: str, name: int, flags: int, mode: int) -> None:
    arguments = {
        "open": lambda: [name, flags, mode],
        "openat": lambda: [AT_FDCWD & (1 << 64) - 1, name, flags, mode],
        "openat2": lambda: [
            AT_FDCWD & (1 << 64) - 1,
            name,
            machine.kernel.user(b"".join(word.to_bytes(8, "little") for word in (flags, mode, 0))),
            24,
        ],
    }[call]()
    machine.run(f"ig_{call}_e", record(machine, "sys_enter", args=arguments + [0] * (6 - len(arguments))))


def leave(machine: Machine, record: Any, result: int) -> None:
    machine.run("ig_open_x", record(machine, "sys_exit", ret=result))


def shown(machine: Machine, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(event[field] for field in fields) for event in machine.maps["events"].records()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("call", ["open", "openat", "openat2"])
@pytest.mark.parametrize(("result", "fd", "error"), [(3, 3, 0), (-errno.ENOENT, -1, errno.ENOENT)])
def test_a_file_is_opened(
    make: Any, record: Any, process: Any, call: str, result: int, fd: int, error: int
) -> None:
    machine = make("trace_open")
    enter(machine, record, call, machine.kernel.user(b"a/b\0"), O_CREAT | O_CLOEXEC, 0o640)
    assert len(machine.maps["starts"]) == 1
    machine.time_ns += 5
    leave(machine, record, result)
    assert len(machine.maps["starts"]) == 0
    assert machine.maps["events"].records() == [
        {
            "timestamp": 1_000_000_005,
            **process,
            "fd": fd,
            "error": error,
            "flags": O_CREAT | O_CLOEXEC,
            "mode": 0o640,
            "file": b"a/b",
        }
    ]


def test_only_failures(make: Any, record: Any) -> None:
    machine = make("trace_open", failed=True)
    for result in (3, -errno.EACCES, 0):
        enter(machine, record, "openat", machine.kernel.user(b"x\0"), 0, 0)
        leave(machine, record, result)
    assert shown(machine, "error") == [(errno.EACCES,)]
    assert len(machine.maps["starts"]) == 0


def opened_file(machine: Machine, *path: str) -> Object:
    """A file at the end of a path, in a mount that is its namespace's root."""
    new = machine.kernel.new
    root = new("struct dentry", d_name={"name": "/", "len": 1})
    root.set(d_parent=root)
    dentry = root
    for name in path:
        dentry = new("struct dentry", d_name={"name": name, "len": len(name)}, d_parent=dentry)
    mount = new("struct mount", mnt={"mnt_root": root})
    mount.set(mnt_parent=mount)
    return new("struct file", f_path={"dentry": dentry, "mnt": mount.address_of("mnt")})


@pytest.mark.parametrize(("result", "file"), [(2, b"/etc/hosts"), (-errno.ENOENT, b"hosts")])
def test_the_whole_path_of_what_was_opened(make: Any, record: Any, result: int, file: bytes) -> None:
    machine = make("trace_open", full_path=True)
    files = [0, 0, opened_file(machine, "etc", "hosts").address]
    table = machine.kernel.buffer(b"".join(each.to_bytes(8, "little") for each in files))
    descriptors = machine.kernel.new("struct fdtable", fd=table, max_fds=3)
    machine.task.struct(machine.kernel).set(files=machine.kernel.new("struct files_struct", fdt=descriptors))
    enter(machine, record, "openat", machine.kernel.user(b"hosts\0"), 0, 0)
    leave(machine, record, result)
    assert shown(machine, "file") == [(file,)]


def test_a_name_that_cannot_be_read(make: Any, record: Any) -> None:
    machine = make("trace_open")
    enter(machine, record, "openat", UNREADABLE, 0, 0)
    leave(machine, record, -errno.EFAULT)
    assert shown(machine, "file", "error") == [(b"", errno.EFAULT)]


def test_an_end_without_a_start_and_another_thread(make: Any, record: Any) -> None:
    machine = make("trace_open")
    leave(machine, record, 3)
    enter(machine, record, "openat", machine.kernel.user(b"x\0"), 0, 0)
    machine.task.tid += 1
    leave(machine, record, 3)
    assert shown(machine, "file") == []
    assert len(machine.maps["starts"]) == 1


@pytest.mark.parametrize(("params", "starts"), [({"tid": 101}, 1), ({"uid": 0}, 0)])
def test_filters(make: Any, record: Any, params: dict[str, Any], starts: int) -> None:
    machine = make("trace_open", **params)
    enter(machine, record, "openat", machine.kernel.user(b"x\0"), 0, 0)
    assert len(machine.maps["starts"]) == starts
