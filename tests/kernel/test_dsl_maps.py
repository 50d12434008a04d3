"""Maps and data of probes in the kernel: what the machine in user space gives, its maps give too."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import mmap
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pybpf import load, maps
from pybpf.dsl import lower
from pybpf.errors import SyscallError, VerifierError
from pybpf.events import Decoder, open_reader
from pybpf.features import host_target
from pybpf.spec import MapSpec, ObjectSpec, Struct

UNIT = Path(__file__).parents[1] / "unit" / "dsl"


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


HEAD = _module(UNIT / "conftest.py").HEAD
TABLES = [_module(UNIT / f"{name}.py") for name in ("test_maps", "test_records")]
CASES = {name: (table, *case) for table in TABLES for name, case in table.CASES.items()}


@pytest.fixture(autouse=True)
def _one_cpu() -> Iterator[None]:
    """Stay on one CPU: per-CPU maps show it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def lowered(tmp_path: Path) -> Callable[[str], ObjectSpec]:
    """A text of probes, lowered for this kernel; skips when it lacks a type of map."""

    def run(text: str) -> ObjectSpec:
        path = tmp_path / "probe.py"
        path.write_text(HEAD + text)
        spec = lower(_module(path), {}, host_target())
        for each in spec.maps:
            made(each).close()
        return spec

    return run


def made(spec: MapSpec) -> maps.Map:
    """A map in the kernel; skips when it lacks the type."""
    try:
        return maps.create(spec)
    except SyscallError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip(str(error))


@contextlib.contextmanager
def loading(spec: ObjectSpec) -> Iterator[load.Loaded]:
    """The object in the kernel; skips when it lacks a helper."""
    try:
        loaded = load.load(spec)
    except VerifierError as error:
        # A helper, or (before 5.13) the address of a function, which is then in nobody's way.
        lacks = ("unknown func", "invalid func", "number of funcs in func_info doesn't match")
        if not any(text in error.summary for text in lacks):
            raise
        pytest.skip(f"this kernel lacks a helper, or callbacks: {error.summary}")
    with loaded:
        yield loaded


@pytest.mark.parametrize("name", CASES)
def test_in_a_probe(name: str, lowered: Callable[[str], ObjectSpec]) -> None:
    table, body, given, expected = CASES[name]
    spec = lowered(table.source(body, "@raw_tracepoint('sys_enter')"))
    with contextlib.ExitStack() as owned:
        loaded = owned.enter_context(loading(spec))
        for outer, key in (("outer", 5), ("lists", 1)):
            if outer in loaded.maps:
                inner = owned.enter_context(maps.create(loaded.maps[outer].spec.inner))
                loaded.maps[outer][key] = inner.fileno()
        for a, b in given:
            loaded.programs["probe"].test_run(context=struct.pack("<2Q", a, b))
        counts = loaded.maps.get("counts", {})  # a map that no program uses isn't made
        assert {key: counts[key] for key in counts} == expected


DECLARED = """
class Stat(Record):
    hits: u64

traces = StackTrace("traces", 16)
jumps = ProgramArray("jumps", 4)
groups = CgroupArray("groups", 2)
threads = TaskStorage("threads", Stat)
inodes = InodeStorage("inodes", Stat)
cgroups = CgroupStorage("cgroups", Stat)
sockets = SocketStorage("sockets", Stat)
commands = UserEvents("commands", Stat)
total = Global("total", u64, 5)
"""


def test_stacks(lowered: Callable[[str], ObjectSpec]) -> None:
    body = """
traces = StackTrace("traces", 16384)  # where two traces hardly meet

@raw_tracepoint("sys_enter")
def probe():
    counts[1] = u64(traces.kernel_stack() >= 0)
    id = traces.user_stack()
    if id >= 0:
        counts[2] = u64(id)
"""
    with loading(lowered(body)) as loaded:
        loaded.programs["probe"].test_run(context=bytes(8))
        counts = loaded.maps["counts"]
        assert counts[1] == 1
        addresses = struct.unpack("<127Q", loaded.maps["traces"].lookup(struct.pack("<I", counts[2])))
        assert addresses[0]


def test_tail_calls_and_groups(lowered: Callable[[str], ObjectSpec]) -> None:
    body = """
jumps = ProgramArray("jumps", 4)
groups = CgroupArray("groups", 2)

@raw_tracepoint("sys_enter")
def first(index: u32):
    counts[1] = 1
    if groups.holds_current(0) == 1:
        counts[3] = 1
    jumps.tail_call(index)
    counts[1] = 2

@raw_tracepoint("sys_enter")
def second():
    counts[2] = 1
"""
    with loading(lowered(body)) as loaded:
        group = os.open("/sys/fs/cgroup", os.O_RDONLY)
        with contextlib.suppress(SyscallError):  # not a cgroup of version 2: then no task is in it
            loaded.maps["groups"][0] = group
        os.close(group)
        loaded.maps["jumps"][3] = loaded.programs["second"].fileno()
        counts = loaded.maps["counts"]
        loaded.programs["first"].test_run(context=struct.pack("<Q", 1))
        assert (counts[1], 2 in counts) == (2, False)
        loaded.programs["first"].test_run(context=struct.pack("<Q", 3))
        assert (counts[1], counts[2]) == (1, 1)


def test_records_from_user_space(lowered: Callable[[str], ObjectSpec]) -> None:
    body = """
class Command(Record):
    number: u64
    name: CString[8]

commands = UserEvents("commands", Command, size=4096)

@subprogram
def obey(command: Command, sum: Start) -> u64:
    sum.ts += command.number + u64(command.name == "x")
    return 0

@raw_tracepoint("sys_enter")
def probe():
    sum = Start(ts=100)
    counts[1] = u64(commands.drain(obey, sum))
    counts[2] = sum.ts
"""
    with loading(lowered(body)) as loaded:
        page = mmap.PAGESIZE
        with mmap.mmap(loaded.maps["commands"].fileno(), 3 * page, offset=page) as shared:
            for at, number in ((0, 5), (24, 7)):  # a header of length and page, then the record
                shared[page + at : page + at + 24] = struct.pack("<IIQ8s", 16, 0, number, b"x")
            shared[:8] = struct.pack("<Q", 48)
            loaded.programs["probe"].test_run(context=bytes(8))
        counts = loaded.maps["counts"]
        assert (counts[1], counts[2]) == (2, 114)


@pytest.mark.parametrize("line", [line for line in DECLARED.splitlines() if " = " in line])
def test_every_kind_is_made(line: str, tmp_path: Path) -> None:
    path = tmp_path / "declared.py"
    path.write_text(HEAD + f"\nclass Stat(Record):\n    hits: u64\n\n{line}\n")
    name = line.split(" = ")[0]
    (spec,) = getattr(_module(path), name).specs("ringbuf")
    with made(spec) as each:
        assert each.info().name == name


def test_a_variable_is_set_while_a_program_runs(lowered: Callable[[str], ObjectSpec]) -> None:
    body = """
total = Global("total", u64, 5)

@raw_tracepoint("sys_enter")
def probe():
    total.add(2)
    total.value *= 10
"""
    with loading(lowered(body)) as loaded:
        total, run = loaded.maps["total"], loaded.programs["probe"].test_run
        run(context=bytes(8))
        assert total[0] == 70
        total[0] = 1
        run(context=bytes(8))
        assert total[0] == 30


def test_bit_fields_of_events(lowered: Callable[[str], ObjectSpec]) -> None:
    body = """
class Packet(Record):
    kind: Bits[u8, 3]
    level: Bits[i8, 4]
    length: Bits[u32, 20]

events = Events("events", Packet)

@raw_tracepoint("sys_enter")
def probe(a: u64, b: i64):
    packet = events.reserve()
    if packet:
        packet.kind = a & 7
        packet.level = Bits[i8, 4](b)
        packet.length = 77777
        events.submit(packet)
"""
    spec = lowered(body)
    with loading(spec) as loaded, open_reader(loaded.maps["events"]) as reader:
        loaded.programs["probe"].test_run(context=struct.pack("<Qq", 13, -3))
        layout = spec.map("events").value
        (batch,) = Decoder(layout).decode_many(reader.take())
        assert batch == [(5, -3, 77777)]


def test_what_a_full_map_does_not_take_is_counted(lowered: Callable[[str], ObjectSpec]) -> None:
    body = """
few = HashMap("few", u64, u64, 2)

@raw_tracepoint("sys_enter")
def probe(a: u64):
    few[a] = 1
    few.add(a + 100)
"""
    with loading(lowered(body)) as loaded:
        for number in (1, 2, 1, 3):
            loaded.programs["probe"].test_run(context=struct.pack("<Q", number))
        table = loaded.maps[".bss"]
        layout = table.spec.value
        assert isinstance(layout, Struct)
        counts = dict(zip((field.name for field in layout.fields), table[0]))
        assert {name: count for name, count in counts.items() if count} == {"few": 4}
