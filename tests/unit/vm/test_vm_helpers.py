"""The machine's helpers, as programs call them."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from pybpf import btf
from pybpf.asm import ops, parse
from pybpf.asm.ops import R0, R1
from pybpf.errors import EncodingError
from pybpf.spec import Attach, MapSpec, ObjectSpec, ProgramSpec
from pybpf.uapi import bpf
from pybpf.vm import UNREADABLE, Fault, Machine, Task, VmError

M64 = (1 << 64) - 1

MAPS = (
    MapSpec("array", bpf.BPF_MAP_TYPE_ARRAY, 4, 8, 4),
    MapSpec("hash", bpf.BPF_MAP_TYPE_HASH, 4, 8, 4),
    MapSpec("jumps", bpf.BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 4),
    MapSpec("queue", bpf.BPF_MAP_TYPE_QUEUE, 0, 8, 2),
    MapSpec("ring", bpf.BPF_MAP_TYPE_RINGBUF, 0, 0, 4096),
    MapSpec("storage", bpf.BPF_MAP_TYPE_TASK_STORAGE, 4, 8, 0xFFFF),
)


def machine_of(*texts: str, kind: str = "kprobe", **options: Any) -> Machine:
    """Programs p0, p1, … of those texts, each ended by `exit`."""
    programs = tuple(
        ProgramSpec(f"p{number}", 0, tuple(parse(text + "\nexit")), Attach(kind, ()))
        for number, text in enumerate(texts)
    )
    return Machine(ObjectSpec("test", programs, MAPS), btf=btf.reference(), **options)


def call(machine: Machine, name: str, *arguments: Any) -> Any:
    """The helper's result, without a program."""
    return machine.helpers[name](machine, *(getattr(each, "address", each) for each in arguments))


@pytest.fixture
def machine() -> Machine:
    return machine_of("r0 = 0")


@pytest.fixture
def room(machine: Machine) -> int:
    """32 bytes to write to."""
    return machine.kernel.buffer(b"\xaa" * 32)


def test_the_world_around(machine: Machine, room: int) -> None:
    machine.task = Task(pid=1, tid=2, uid=3, gid=4, comm="a-name-that-is-too-long", cgroup=5)
    machine.cpu, machine.time_ns, machine.suspended_ns, machine.wall_ns = 1, 1000, 10, 5
    machine.cookie, machine.function_ip = 6, 7
    results = {
        "bpf_get_current_pid_tgid": 1 << 32 | 2,
        "bpf_get_current_uid_gid": 4 << 32 | 3,
        "bpf_get_current_cgroup_id": 5,
        "bpf_get_smp_processor_id": 1,
        "bpf_ktime_get_ns": 1000,
        "bpf_ktime_get_coarse_ns": 1000,
        "bpf_ktime_get_boot_ns": 1010,
        "bpf_ktime_get_tai_ns": 5,
    }
    assert {name: call(machine, name) for name in results} == results
    assert (call(machine, "bpf_get_attach_cookie", 0), call(machine, "bpf_get_func_ip", 0)) == (6, 7)
    assert call(machine, "bpf_get_current_comm", room, 16) == 0
    assert machine.memory.read(room, 17) == b"a-name-that-is-\0\xaa"
    assert call(machine, "bpf_get_current_comm", room, 0) == -errno.EINVAL
    task = call(machine, "bpf_get_current_task")
    assert machine.memory.load(task + btf.reference()["struct task_struct"].offset_of("tgid"), 4) == 1
    assert call(machine, "bpf_get_prandom_u32") == 3626764237
    assert call(machine, "bpf_get_prandom_u32") == 1654615998


READS = [
    ("bpf_probe_read_kernel", "kernel", 0),
    ("bpf_probe_read_kernel", "user", -errno.EFAULT),
    ("bpf_probe_read_user", "kernel", -errno.EFAULT),
    ("bpf_probe_read_user", "user", 0),
    ("bpf_probe_read", "kernel", 0),
    ("bpf_probe_read", "user", 0),
    ("bpf_copy_from_user", "user", 0),
]


@pytest.mark.parametrize(("name", "space", "result"), READS)
def test_reads_that_may_fail(machine: Machine, room: int, name: str, space: str, result: int) -> None:
    put = machine.kernel.buffer if space == "kernel" else machine.kernel.user
    assert call(machine, name, room, 4, put(b"12345678")) == result
    assert machine.memory.read(room, 5) == (b"\0\0\0\0\xaa" if result else b"1234\xaa")
    for address in (0, 8, UNREADABLE, M64):
        assert call(machine, name, room, 4, address) == -errno.EFAULT
        assert machine.memory.read(room, 4) == bytes(4)


TEXTS = [
    (b"abc", 16, 4, b"abc\0\xaa"),
    (b"abc", 4, 4, b"abc\0\xaa"),
    (b"abc", 3, 3, b"ab\0\xaa"),
    (b"abc", 1, 1, b"\0\xaa"),
    (b"", 8, 1, b"\0\xaa"),
    (b"abc", 0, 0, b"\xaa"),
]


@pytest.mark.parametrize(("text", "size", "result", "read"), TEXTS)
def test_texts(machine: Machine, room: int, text: bytes, size: int, result: int, read: bytes) -> None:
    for name in ("bpf_probe_read_kernel_str", "bpf_probe_read_str"):
        machine.memory.write(room, b"\xaa" * 32)
        assert call(machine, name, room, size, machine.kernel.string(text)) == result
        assert machine.memory.read(room, len(read)) == read
    user = machine.kernel.user(text + b"\0")
    assert call(machine, "bpf_probe_read_user_str", room, size, user) == result
    assert call(machine, "bpf_probe_read_kernel_str", room, 4, user) == -errno.EFAULT
    assert machine.memory.read(room, 5) == b"\0\0\0\0\xaa"


NUMBERS = [
    ("bpf_strtol", b" -12x", 0, 4, -12),
    ("bpf_strtol", b"0x1f", 0, 4, 31),
    ("bpf_strtol", b"1f", 16, 2, 31),
    ("bpf_strtol", b"017", 0, 3, 15),
    ("bpf_strtoul", b"18446744073709551615", 10, 20, M64),
    ("bpf_strtoul", b"-1", 10, -errno.EINVAL, None),
    ("bpf_strtoul", b"18446744073709551616", 10, -errno.ERANGE, None),
    ("bpf_strtol", b"x", 10, -errno.EINVAL, None),
    ("bpf_strtol", b"1", 7, -errno.EINVAL, None),
]


@pytest.mark.parametrize(("name", "text", "base", "result", "number"), NUMBERS)
def test_numbers_in_text(
    machine: Machine, room: int, name: str, text: bytes, base: int, result: int, number: int | None
) -> None:
    assert call(machine, name, machine.kernel.buffer(text), len(text), base, room) == result
    if number is not None:
        assert machine.memory.load(room, 8) == number & M64


def test_strncmp(machine: Machine) -> None:
    one, other = machine.kernel.string(b"abc"), machine.kernel.string(b"abd")
    assert [call(machine, "bpf_strncmp", one, size, other) for size in (2, 3)] == [0, -1]


def test_printing(machine: Machine, room: int) -> None:
    text = machine.kernel.string(b"name")
    format = machine.kernel.string(b"%d %s 100%%")
    assert call(machine, "bpf_trace_printk", format, 12, M64 - 4, text, None) == 12
    numbers = machine.kernel.buffer(b"".join(each.to_bytes(8, "little") for each in (255, M64, 65)))
    wide = machine.kernel.string(b"%#06x %lld%c")
    assert call(machine, "bpf_trace_vprintk", wide, 13, numbers, 24) == 10
    assert machine.printed == ["-5 name 100%", "0x00ff -1A"]
    assert call(machine, "bpf_snprintf", room, 5, wide, numbers, 24) == 11
    assert machine.memory.read(room, 6) == b"0x00\0\xaa"
    with pytest.raises(Fault, match=r"no argument for %d in '%d %s 100%%'"):
        call(machine, "bpf_trace_printk", format, 12, None, None, None)


def test_stacks(machine: Machine, room: int) -> None:
    machine.kernel_stack, machine.user_stack = [1, 2, 3], [4]
    assert call(machine, "bpf_get_stack", 0, room, 32, 1) == 16
    assert machine.memory.read(room, 32) == bytes([2, *bytes(7), 3, *bytes(23)])
    assert call(machine, "bpf_get_stack", 0, room, 32, bpf.BPF_F_USER_STACK) == 8
    assert call(machine, "bpf_get_stack", 0, room, 31, 0) == -errno.EINVAL


def test_a_test_replaces_a_helper() -> None:
    machine = machine_of("call bpf_ktime_get_ns\nr6 = r0\ncall bpf_ktime_get_ns\nr0 -= r6")
    assert machine.run("p0") == 0
    times = iter((100, 142))
    machine.helpers["bpf_ktime_get_ns"] = lambda machine: next(times)
    assert machine.run("p0") == 42
    machine.helpers["bpf_ktime_get_ns"] = lambda machine: None
    assert machine.run("p0") == 0
    with pytest.raises(EncodingError, match="no helper function 'bpf_ktime_get'"):
        machine.helpers["bpf_ktime_get"] = lambda machine: 0


UPDATE = """
    *(u32 *)(r10 -4) = 1
    *(u64 *)(r10 -16) = 42
    r1 = map[hash]
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -16
    r4 = 0
    call bpf_map_update_elem
"""
LOOK_UP = """
    r1 = map[hash]
    r2 = r10
    r2 += -4
    call bpf_map_lookup_elem
    if r0 == 0 goto out
"""
DELETE = """
    r1 = map[hash]
    r2 = r10
    r2 += -4
    call bpf_map_delete_elem
"""


def test_maps() -> None:
    machine = machine_of(UPDATE + LOOK_UP + "r0 = *(u64 *)(r0 +0)\nout:", UPDATE + DELETE + LOOK_UP + "out:")
    assert machine.run("p0") == 42
    assert machine.maps["hash"][1] == (42).to_bytes(8, "little")
    assert machine.run("p1") == 0
    assert len(machine.maps["hash"]) == 0


def test_a_value_may_be_read_after_its_delete_but_not_after_the_program() -> None:
    machine = machine_of(
        UPDATE + LOOK_UP + "r6 = r0" + DELETE + "r7 = *(u64 *)(r6 +0)\nr0 = r6\nout:", "r0 = *(u64 *)(r1 +0)"
    )
    stale = machine.run("p0")
    with pytest.raises(VmError, match="nothing is there"):
        machine.run("p1", stale)


def test_a_value_that_was_not_checked() -> None:
    with pytest.raises(VmError, match="8 bytes at 0x0: null pointer") as caught:
        machine_of(
            "*(u32 *)(r10 -4) = 1" + LOOK_UP.replace("if r0 == 0 goto out", "r0 = *(u64 *)(r0 +0)")
        ).run("p0")
    assert caught.value.instruction == "r0 = *(u64 *)(r0 +0)"


def test_callbacks() -> None:
    each = """
        r1 = map[array]
        r2 = subprog[each]
        r3 = r10
        r3 += -8
        *(u64 *)(r10 -8) = 0
        r4 = 0
        call bpf_for_each_map_elem
        r1 = *(u64 *)(r10 -8)
        r0 <<= 32
        r0 += r1
        exit
    each:
        r3 = *(u64 *)(r3 +0)
        r1 = *(u64 *)(r4 +0)
        r1 += r3
        *(u64 *)(r4 +0) = r1
        r0 = 0
        if r1 < 30 goto out
        r0 = 1
    out:
    """
    machine = machine_of(each)
    for key, value in enumerate((5, 10, 20, 40)):
        machine.maps["array"].update(key.to_bytes(4, "little"), value.to_bytes(8, "little"))
    assert machine.run("p0") == 3 << 32 | 35  # three elements, and then it said to stop
    assert machine.executed == 11 + 7 + 7 + 8


def loop(count: int) -> Machine:
    code = [ops.mov64(R1, count), ops.load_function(ops.R2, "f"), ops.mov64(ops.R3, 0), ops.mov64(ops.R4, 0)]
    code += [ops.call("bpf_loop"), ops.exit_(), ops.at("f", ops.mov64(R0, 0))]
    code += [ops.jump("jlt", R1, 7, 1), ops.mov64(R0, 1), ops.exit_()]
    return Machine(ObjectSpec("test", (ProgramSpec("p", 0, tuple(code), Attach("kprobe", ())),), ()))


@pytest.mark.parametrize(("count", "result"), [(0, 0), (5, 5), (100, 8), (1 << 24, -errno.E2BIG & M64)])
def test_bpf_loop(count: int, result: int) -> None:
    assert loop(count).run("p") == result


def test_a_loop_of_callbacks_takes_steps_too() -> None:
    machine = loop(100)
    machine.steps = 20
    with pytest.raises(VmError, match="call bpf_loop#181: more than 20 instructions: does the loop end"):
        machine.run("p")


def test_tail_calls() -> None:
    jump = "r2 = map[jumps]\nr3 = {index}\ncall bpf_tail_call\nr0 = 7"
    machine = machine_of(jump.format(index=1), "r0 = 42", jump.format(index=2), "r0 = r7")
    jumps: Any = machine.maps["jumps"]
    assert machine.run("p0") == 7  # nothing at 1
    jumps.refer(1, "p1")
    jumps.refer(2, "p2")
    assert machine.run("p0") == 42
    assert machine.run("p2") == 7  # 33 calls of itself, and then it goes on
    assert machine.tail_calls == 33
    jumps.refer(1, "p3")
    with pytest.raises(VmError, match=r"p3: instruction 0: r0 = r7: r7 is not initialised"):
        machine.run("p0")


def test_a_queue_and_storage() -> None:
    push = "*(u64 *)(r10 -8) = 5\nr1 = map[queue]\nr2 = r10\nr2 += -8\nr3 = 0\ncall bpf_map_push_elem"
    pop = "r1 = map[queue]\nr2 = r10\nr2 += -8\ncall bpf_map_pop_elem\nr0 = *(u64 *)(r10 -8)"
    storage = """
        r6 = r1
        r1 = map[storage]
        r2 = r6
        r3 = 0
        r4 = 1
        call bpf_task_storage_get
        r1 = 1
        lock *(u64 *)(r0 +0) += r1
        r0 = *(u64 *)(r0 +0)
    """
    machine = machine_of(push + "\n" + pop, storage)
    assert machine.run("p0") == 5
    task = machine.kernel.new("struct task_struct")
    assert [machine.run("p1", task) for _ in range(3)] == [1, 2, 3]
    assert machine.maps["storage"].lookup(task.address.to_bytes(8, "little")) == b"\3" + bytes(7)


RESERVE = "r1 = map[ring]\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\n"
SUBMIT = "r1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nr0 = 0\nout:"


def test_a_reserved_record() -> None:
    machine = machine_of(
        RESERVE + "*(u64 *)(r0 +0) = 5\n" + SUBMIT, RESERVE + SUBMIT, RESERVE + "r0 = 1\nout:"
    )
    ring: Any = machine.maps["ring"]
    machine.run("p0")
    assert ring.take() == [b"\5" + bytes(7)]
    with pytest.raises(VmError, match="byte 0 of a record of ring was never written"):
        machine.run("p1")
    with pytest.raises(VmError, match="a record of ring was neither submitted nor discarded"):
        machine_of("r0 = 0", "r0 = 0", RESERVE + "r0 = 1\nout:").run("p2")


def test_locks(machine: Machine, room: int) -> None:
    machine.memory.write(room, bytes(4))
    call(machine, "bpf_spin_lock", room)
    with pytest.raises(Fault, match="is held already"):
        call(machine, "bpf_spin_lock", room)
    call(machine, "bpf_spin_unlock", room)
    with pytest.raises(Fault, match="is not held"):
        call(machine, "bpf_spin_unlock", room)


def test_kernel_functions() -> None:
    code = [ops.mov64(R1, 20), ops.call_kernel_function("double"), ops.exit_()]
    spec = ObjectSpec("test", (ProgramSpec("p", 0, tuple(code), Attach("fentry", ())),), ())
    machine = Machine(spec)
    with pytest.raises(VmError, match="the machine has no kernel function double"):
        machine.run("p")
    machine.kernel_functions["double"] = lambda machine, number, *_: number * 2
    assert machine.run("p") == 40
