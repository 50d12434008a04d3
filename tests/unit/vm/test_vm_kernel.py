"""Kernel memory that BTF lays out, and the task."""

from __future__ import annotations

import pytest

from pybpf import btf
from pybpf.errors import FieldNotFound, TypeNotFound, UsageError
from pybpf.vm import UNREADABLE, Fault, Machine, Task


@pytest.fixture
def machine() -> Machine:
    return Machine(btf=btf.reference())


def test_objects_have_the_layout_of_the_kernel(machine: Machine) -> None:
    dentry = machine.kernel.new("struct dentry", d_name={"name": "foo", "len": 3})
    file = machine.kernel.new("struct file", f_path={"dentry": dentry})
    kiocb = machine.kernel.new("struct kiocb", ki_pos=-1, ki_filp=file)
    types = btf.reference()
    offset = types["struct kiocb"].offset_of("ki_filp")
    assert machine.memory.load(kiocb.address + offset, 8) == file.address
    assert kiocb.get("ki_pos") == -1
    assert file.get("f_path.dentry") == dentry.address
    assert machine.memory.string(dentry.get("d_name.name"), 100) == b"foo"
    assert dentry.address_of("d_name.len") == dentry.address + types["struct dentry"].offset_of("d_name.len")
    assert repr(kiocb) == f"<struct kiocb at {kiocb.address:#x}>"


def test_fields_of_all_kinds(machine: Machine) -> None:
    task = machine.kernel.new("struct task_struct", comm="cat", in_iowait=1, pid=7)
    assert task.get("in_iowait") == 1
    assert task.get("in_execve") == 0
    task.set(in_execve=1, in_iowait=0)
    assert (task.get("in_execve"), task.get("in_iowait")) == (1, 0)
    assert machine.memory.read(task.address_of("comm"), 16) == b"cat".ljust(16, b"\0")
    task.set(**{"comm[1]": ord("u"), "real_parent": None})
    assert machine.memory.string(task.address_of("comm"), 16) == b"cut"
    task.set(comm=[65, 66])
    assert machine.memory.string(task.address_of("comm"), 16) == b"ABt"


REFUSED = [
    ({"comm": "x" * 17}, UsageError, "comm has 16 bytes, 'xxxxxxxxxxxxxxxxx' has 17"),
    ({"in_iowait": 2}, UsageError, r"0x2 does not fit into unsigned int in_iowait \(1 bits\)"),
    ({"pid": 1.5}, UsageError, "1.5 is no value for pid_t pid"),
    ({"pidd": 1}, FieldNotFound, r"struct task_struct has no field 'pidd' \(did you mean 'pid'"),
]


@pytest.mark.parametrize(("fields", "kind", "message"), REFUSED)
def test_what_does_not_fit(machine: Machine, fields: dict, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        machine.kernel.new("struct task_struct", **fields)


def test_types_that_are_not_there(machine: Machine) -> None:
    with pytest.raises(TypeNotFound, match="no type 'struct dentri'"):
        machine.kernel.new("struct dentri")
    with pytest.raises(UsageError, match="this machine knows no types"):
        Machine().kernel.new("struct dentry")


def test_reading_is_strict(machine: Machine) -> None:
    text = machine.kernel.string("ab")
    assert machine.memory.read(text, 3) == b"ab\0"
    with pytest.raises(Fault, match=r"4 bytes at .*: outside a text, offset 0 of 3 bytes"):
        machine.memory.read(text, 4)
    with pytest.raises(Fault, match="1 byte at 0xdead000000000000: nothing is there"):
        machine.memory.read(UNREADABLE, 1)
    user = machine.kernel.user(b"xyz")
    assert user < 1 << 47
    assert machine.memory.read(user, 3, user=True) == b"xyz"
    with pytest.raises(Fault, match="user memory is user memory: use bpf_probe_read_user"):
        machine.memory.read(user, 3)
    with pytest.raises(Fault, match="a text is kernel memory: use bpf_probe_read_kernel"):
        machine.memory.read(text, 1, user=True)


def test_the_task_has_its_struct(machine: Machine) -> None:
    machine.task = Task(pid=10, tid=11, uid=1000, gid=100, comm="cat", mount_namespace=7, parent=Task(pid=1))
    task = machine.task.struct(machine.kernel)
    assert (task.get("pid"), task.get("tgid")) == (11, 10)
    parent = machine.task.parent.struct(machine.kernel)
    assert task.get("real_parent") == parent.address
    assert parent.get("real_parent") == parent.address
    namespaces = btf.reference()["struct nsproxy"], btf.reference()["struct mnt_namespace"]
    mounts = machine.memory.load(task.get("nsproxy") + namespaces[0].offset_of("mnt_ns"), 8)
    assert machine.memory.load(mounts + namespaces[1].offset_of("ns.inum"), 4) == 7
    uid = btf.reference()["struct cred"].offset_of("uid")
    assert machine.memory.load(task.get("cred") + uid, 4) == 1000
    machine.task.comm = "dog"
    assert machine.task.struct(machine.kernel).address == task.address
    assert machine.memory.string(task.address_of("comm"), 16) == b"dog"
