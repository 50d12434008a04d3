"""All ten programs of trace_fsslower on the machine, along each of their ways."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pybpf import btf
from pybpf.spec import Struct, Target
from pybpf.testing import Coverage
from pybpf.vm import UNREADABLE, Machine, Object, Task

FILE = Path(__file__).parents[3] / "programs" / "trace_fsslower.py"
LLONG_MAX = (1 << 63) - 1
OPERATIONS = {"read": 0, "wr": 1, "open": 2, "sync": 3, "statfs": 4}

HOST = Target("reference", btf.reference())
PORTABLE = HOST._replace(portable=True)
FILTERS = [
    ("pid", 100, 101),
    ("tid", 101, 100),
    ("uid", 1000, 0),
    ("gid", 2000, 0),
    ("comm", b"cat", b"ca"),
    ("comm", b"cat", b"cat2"),
]

Make = Callable[..., Machine]


@pytest.fixture(params=["ringbuf", "perf"])
def buffer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[HOST, PORTABLE], ids=["constants", "portable"])
def make(request: pytest.FixtureRequest, probes: Make, buffer: str) -> Make:
    """A machine with some of the parameters set, in both ways to lower them; with a task to run in."""

    def build(**params: Any) -> Machine:
        return in_task(probes(FILE, target=request.param, buffer=buffer, **params))

    return build


def in_task(machine: Machine) -> Machine:
    parent = Task(pid=1, comm="init")
    machine.task = Task(pid=100, tid=101, uid=1000, gid=2000, comm="cat", parent=parent)
    return machine


def dentry_of(machine: Machine, name: str = "foo") -> Object:
    return machine.kernel.new("struct dentry", d_name={"name": name, "len": len(name)})


def enter(machine: Machine, operation: str, dentry: Any, start: int = 0, end: int = 0) -> None:
    """The operation begins."""
    new = machine.kernel.new
    file = new("struct file", f_path={"dentry": dentry})
    arguments = {
        "read": lambda: [new("struct kiocb", ki_filp=file, ki_pos=start)],
        "wr": lambda: [new("struct kiocb", ki_filp=file, ki_pos=start)],
        "open": lambda: [0, file],
        "sync": lambda: [file, start, end, 0],
        "statfs": lambda: [dentry],
    }[operation]()
    assert machine.call(f"ig_fssl_{operation}_e", *arguments) == 0


def leave(machine: Machine, operation: str, result: int = 0) -> None:
    """The operation ends."""
    assert machine.call(f"ig_fssl_{operation}_x", returns=result) == 0


def event(machine: Machine) -> dict[str, Any]:
    (found,) = machine.maps["events"].records()  # type: ignore[attr-defined]
    return dict(found)


def lost(machine: Machine) -> list[int]:
    """How many events could not be sent, on each CPU: the last 8 bytes of the heap's value."""
    return [int.from_bytes(value[-8:], "little") for value in machine.maps["gadget_heap"][0]]


@pytest.mark.parametrize(
    ("operation", "start", "end", "result", "offset", "size", "error"),
    [
        ("read", 4096, 0, 5, 4096, 5, 0),
        ("read", 0, 0, -errno.EIO, 0, -errno.EIO, errno.EIO),
        ("wr", 1 << 40, 0, 1 << 33, 1 << 40, 1 << 33, 0),
        ("wr", 7, 0, -errno.ENOSPC, 7, -errno.ENOSPC, errno.ENOSPC),
        ("open", 0, 0, 0, 0, 0, 0),
        ("open", 0, 0, -errno.EACCES & 0xFFFF_FFFF, 0, 0, errno.EACCES),  # int: the upper half is not its own
        ("sync", 0, LLONG_MAX, 0, 0, LLONG_MAX, 0),
        ("sync", 4096, 8191, -errno.EIO & 0xFFFF_FFFF, 4096, 4095, errno.EIO),
        ("statfs", 0, 0, 0, 0, 0, 0),
        ("statfs", 0, 0, -errno.ENOENT & 0xFFFF_FFFF, 0, 0, errno.ENOENT),
    ],
)
def test_a_slow_operation(
    make: Make, operation: str, start: int, end: int, result: int, offset: int, size: int, error: int
) -> None:
    machine = make(min=10)
    enter(machine, operation, dentry_of(machine), start, end)
    assert len(machine.maps["starts"]) == 1
    machine.time_ns += 10_999_999
    machine.suspended_ns = 3_000_000_000
    leave(machine, operation, result)
    assert len(machine.maps["starts"]) == 0
    assert event(machine) == {
        "timestamp": 1_000_000_000 + 10_999_999 + 3_000_000_000,
        "proc.comm": b"cat",
        "proc.pid": 100,
        "proc.tid": 101,
        "proc.creds.uid": 1000,
        "proc.creds.gid": 2000,
        "proc.parent.comm": b"init",
        "proc.parent.pid": 1,
        "proc.parent.tid": 1,
        "proc.mntns_id": 0xF000_0000,
        "delta_us": 10_999,
        "offset": offset,
        "size": size,
        "op": OPERATIONS[operation],
        "error": error,
        "file": b"foo",
    }
    assert lost(machine) == [0, 0]


@pytest.mark.parametrize("operation", OPERATIONS)
class TestOperation:
    def test_one_that_is_not_slower_than_the_minimum_is_dropped(self, make: Make, operation: str) -> None:
        machine = make(min=10)
        for took, events in ((0, 0), (10_000, 0), (10_001, 1)):
            enter(machine, operation, dentry_of(machine))
            machine.time_ns += took
            leave(machine, operation)
            assert len(machine.maps["events"].take()) == events  # type: ignore[attr-defined]
            assert len(machine.maps["starts"]) == 0

    def test_without_a_dentry_nothing_begins(self, make: Make, operation: str) -> None:
        machine = make()
        enter(machine, operation, None)
        assert len(machine.maps["starts"]) == 0

    def test_an_end_without_a_start_is_nothing(self, make: Make, operation: str) -> None:
        machine = make(min=0)
        leave(machine, operation)
        assert len(machine.maps["events"]) == 0

    def test_a_start_that_was_never_ended_gives_way_to_the_next(self, make: Make, operation: str) -> None:
        machine = make(min=10)
        enter(machine, operation, dentry_of(machine, "old"))
        machine.time_ns += 1_000_000
        enter(machine, operation, dentry_of(machine, "new"))
        machine.time_ns += 20_000
        leave(machine, operation)
        found = event(machine)
        assert (found["file"], found["delta_us"]) == (b"new", 20)

    def test_another_operation_of_the_same_thread_is_not_its_end(self, make: Make, operation: str) -> None:
        machine = make(min=0)
        enter(machine, operation, dentry_of(machine))
        machine.time_ns += 1000
        for other in OPERATIONS.keys() - {operation}:
            leave(machine, other)
        machine.task.tid += 1
        leave(machine, operation)
        assert len(machine.maps["events"]) == 0
        assert len(machine.maps["starts"]) == 1

    @pytest.mark.parametrize(("name", "same", "other"), FILTERS)
    def test_filters(self, make: Make, operation: str, name: str, same: Any, other: Any) -> None:
        for wanted, count in ((same, 1), (other, 0)):
            machine = make(**{name: wanted})
            enter(machine, operation, dentry_of(machine))
            assert len(machine.maps["starts"]) == count

    def test_the_comm_filter_compares_all_16_bytes(self, make: Make, operation: str) -> None:
        for wanted, count in ((b"exactly-15-long", 1), (b"exactly-15-lonG", 0)):
            machine = make(comm=wanted)
            machine.task.comm = "exactly-15-long"
            enter(machine, operation, dentry_of(machine))
            assert len(machine.maps["starts"]) == count

    def test_the_mount_namespace_filter(self, make: Make, operation: str) -> None:
        machine = make(mntns=0xF000_0001)
        enter(machine, operation, dentry_of(machine))
        assert len(machine.maps["starts"]) == 0
        machine.maps["gadget_mntns_filter_map"][0xF000_0001] = 1
        enter(machine, operation, dentry_of(machine))
        assert len(machine.maps["starts"]) == 0
        machine.task.mount_namespace = 0xF000_0001
        enter(machine, operation, dentry_of(machine))
        assert len(machine.maps["starts"]) == 1

    def test_root_can_be_asked_for(self, make: Make, operation: str) -> None:
        machine = make(uid=0, gid=0)
        enter(machine, operation, dentry_of(machine))
        assert len(machine.maps["starts"]) == 0
        machine.task.uid = machine.task.gid = 0
        enter(machine, operation, dentry_of(machine))
        assert len(machine.maps["starts"]) == 1

    def test_a_full_map_of_starts_loses_the_operation_and_nothing_else(
        self, make: Make, operation: str
    ) -> None:
        machine = make(min=0)
        starts = machine.maps["starts"]
        starts.spec = starts.spec._replace(max_entries=4)
        for tid in range(4):
            starts[1_000_000 + tid, 9] = (0, 0, 0, 0)
        enter(machine, operation, dentry_of(machine))
        machine.time_ns += 1000
        leave(machine, operation)
        assert len(machine.maps["events"]) == 0
        assert len(starts) == 4

    def test_a_failed_send_is_counted_on_its_cpu(self, make: Make, operation: str, buffer: str) -> None:
        machine = make(min=0)
        helper = "bpf_ringbuf_output" if buffer == "ringbuf" else "bpf_perf_event_output"
        machine.helpers[helper] = lambda machine, *arguments: -errno.EAGAIN
        for cpu in (1, 1, 0):
            machine.cpu = cpu
            enter(machine, operation, dentry_of(machine))
            machine.time_ns += 1000
            leave(machine, operation)
        assert lost(machine) == [1, 2]
        assert len(machine.maps["events"]) == 0

    def test_a_beginning_that_there_is_no_room_for_is_counted(self, make: Make, operation: str) -> None:
        machine = make()
        machine.helpers["bpf_map_update_elem"] = lambda machine, *arguments: -errno.E2BIG
        for _ in range(3):
            enter(machine, operation, dentry_of(machine))
        leave(machine, operation)
        layout = machine.maps[".bss"].spec.value
        assert isinstance(layout, Struct)
        counts = dict(zip((field.name for field in layout.fields), machine.maps[".bss"][0]))
        assert {name: count for name, count in counts.items() if count} == {"starts": 3}

    def test_without_a_place_to_put_the_event_together_there_is_none(
        self, make: Make, operation: str
    ) -> None:
        machine = make(min=0)
        look_up = machine.helpers["bpf_map_lookup_elem"]
        heap = machine.maps["gadget_heap"].address
        machine.helpers["bpf_map_lookup_elem"] = lambda machine, map, key: (
            0 if map == heap else look_up(machine, map, key)
        )
        enter(machine, operation, dentry_of(machine))
        machine.time_ns += 1000
        leave(machine, operation)
        assert len(machine.maps["events"]) == 0
        assert len(machine.maps["starts"]) == 0

    def test_memory_that_cannot_be_read_when_it_begins(self, make: Make, operation: str) -> None:
        machine = make()
        assert machine.call(f"ig_fssl_{operation}_e", *[UNREADABLE] * 3) == 0
        # statfs has the dentry in a register, and does not read it yet
        assert len(machine.maps["starts"]) == (1 if operation == "statfs" else 0)

    def test_a_name_that_cannot_be_read_when_it_ends(self, make: Make, operation: str) -> None:
        machine = make(min=0)
        for dentry in (UNREADABLE, machine.kernel.new("struct dentry", d_name={"name": UNREADABLE})):
            enter(machine, operation, dentry)
            machine.time_ns += 1000
            leave(machine, operation)
            assert event(machine)["file"] == b""

    def test_a_name_that_is_too_long_is_cut(self, make: Make, operation: str) -> None:
        machine = make(min=0)
        for length in (255, 300):
            enter(machine, operation, dentry_of(machine, "x" * length))
            machine.time_ns += 1000
            leave(machine, operation)
            assert event(machine)["file"] == b"x" * 255


def test_a_ring_that_is_full(make: Make, buffer: str) -> None:
    """Events go on being counted as lost until someone reads, and come again then."""
    machine = make(min=0)
    events: Any = machine.maps["events"]
    others = [] if buffer == "ringbuf" else [machine.cpu]
    while events.send(bytes(1000), *others) == 0:
        pass

    def operate() -> None:
        enter(machine, "open", dentry_of(machine))
        machine.time_ns += 1000
        leave(machine, "open")

    for _ in range(5):
        operate()
    assert 1 <= lost(machine)[0] <= 5
    before = lost(machine)
    events.take()
    operate()
    assert (len(events), lost(machine)) == (1, before)


EXT4, NTFS3, XFS = 0xEF53, 0x7366_746E, 0x5846_5342


@pytest.mark.parametrize(
    ("filesystem", "magics"),
    [
        ("ntfs3", [NTFS3]),
        ("xfs,ntfs3", [NTFS3, XFS]),
        ("ntfs3,xfs", [NTFS3, XFS]),
        ("xfs", [EXT4, NTFS3, XFS]),
    ],
)
def test_whose_file_it_is_where_a_function_is_shared(make: Make, filesystem: str, magics: list[int]) -> None:
    """The function that ntfs3 may share is told by magic numbers; where there is none, they aren't read."""
    for magic in (EXT4, NTFS3, XFS):
        machine = make(filesystem=filesystem)
        new = machine.kernel.new
        inode = new("struct inode", i_sb=new("struct super_block", s_magic=magic))
        file = new("struct file", f_path={"dentry": dentry_of(machine)}, f_inode=inode)
        machine.call("ig_fssl_sync_e", file, 0, LLONG_MAX, 0)
        assert len(machine.maps["starts"]) == (magic in magics)


@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
def test_the_tests_above_take_every_branch(probes: Make, buffer: str) -> None:
    def make(**params: Any) -> Machine:
        return in_task(probes(FILE, target=PORTABLE, buffer=buffer, **params))

    with Coverage() as coverage:
        for operation in OPERATIONS:
            test_a_slow_operation(make, operation, 0, 0, 0, 0, 0, 0)
            size = -errno.EIO if operation in ("read", "wr") else 0
            test_a_slow_operation(make, operation, 0, 0, -errno.EIO, 0, size, errno.EIO)
            every = TestOperation()
            every.test_one_that_is_not_slower_than_the_minimum_is_dropped(make, operation)
            every.test_without_a_dentry_nothing_begins(make, operation)
            every.test_an_end_without_a_start_is_nothing(make, operation)
            every.test_the_mount_namespace_filter(make, operation)
            every.test_a_failed_send_is_counted_on_its_cpu(make, operation, buffer)
            every.test_a_beginning_that_there_is_no_room_for_is_counted(make, operation)
            every.test_without_a_place_to_put_the_event_together_there_is_none(make, operation)
            every.test_the_comm_filter_compares_all_16_bytes(make, operation)
            every.test_a_name_that_cannot_be_read_when_it_ends(make, operation)
            for name, same, other in FILTERS:
                every.test_filters(make, operation, name, same, other)
    programs = [f"ig_fssl_{name}_{end}" for name in OPERATIONS for end in "ex"]
    missing = {name: coverage.missing(make(), name) for name in programs}
    assert missing == {name: [] for name in programs}
