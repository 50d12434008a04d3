"""Maps: what each does for a probe, on the machine in user space."""

from __future__ import annotations

import re
import struct
import textwrap
from collections.abc import Callable

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.spec import Target
from pybpf.vm import Machine

TARGET = Target("reference", btf.reference())


@pytest.fixture
def machine(module) -> Callable[[str], Machine]:
    """A machine with the probes of a text."""

    def make(text: str) -> Machine:
        return Machine(lower(module(text), {}, TARGET), btf=TARGET.btf)

    return make


DECLARATIONS = """
from pybpf.uapi.bpf import BPF_EXIST, BPF_NOEXIST
class Stat(Record):
    hits: u64
    last: u32
    name: CString[12]

class Route(Record):
    bits: u32
    address: Array[u8, 4]

class Sum(Record):
    keys: u64
    values: u64

@subprogram
def visit(key: u64, value: u64, sum: Sum) -> u64:
    if key == 99:
        return 1
    sum.keys += key
    sum.values += value
    return 0

@subprogram
def double(key: u32, stat: Stat) -> u64:
    stat.hits *= 2
    stat.last = key
    return 0

@subprogram
def count(index: u32, value: u32, sum: Sum) -> u64:
    sum.keys += index
    sum.values += value
    return 0

stats = HashMap("stats", u32, Stat, max_entries=4)
local = PerCpuHashMap("local", u64, u64, max_entries=4)
recent = LruHashMap("recent", u64, u64, max_entries=2)
here = LruPerCpuHashMap("here", u64, u64, max_entries=2)
slots = ArrayMap("slots", u32, 8)
rows = ArrayMap("rows", Stat, 3)
mine = PerCpuArrayMap("mine", u64, 2)
routes = LpmTrie("routes", Route, u32, max_entries=8)
queue = Queue("queue", u64, 2)
stack = Stack("stack", Stat, 2)
seen = BloomFilter("seen", u64, 16)
traces = StackTrace("traces", 16)
jumps = ProgramArray("jumps", 4)
groups = CgroupArray("groups", 2)
outer = HashOfMaps("outer", u32, HashMap("inner", u64, u64, 4), 4)
lists = ArrayOfMaps("lists", ArrayMap("list", u64, 4), 2)
threads = TaskStorage("threads", Stat)
inodes = InodeStorage("inodes", Stat)
cgroups = CgroupStorage("cgroups", Stat)
sockets = SocketStorage("sockets", Stat)
total = Global("total", u64)
level = Global("level", i32, -3)
table = Global("table", Array[u32, 4])
state = Global("state", Stat)
times = Log2Hist("times")
sizes = Log2Hist("sizes", key=u32, max_entries=64)
delays = LinearHist("delays", 10, 5)
hits = Counter("hits")
raw = RawMap("raw", 1, u64, u64, 4)
ring = RawMap("ring", 27, max_entries=4096)
"""

# The body of a probe of two numbers, runs of it with what is given, and what `counts` holds in the end.
CASES = {
    "pop with a default": (
        """
        counts[1] = counts.pop(a, 40) + 1
        counts[2] = counts.pop(1, 0)
        """,
        [(9, 0)],
        {2: 41},
    ),
    "what a helper writes to is set": (
        """
        event = events.reserve()
        if event:
            event.ts = a
            event.op = 1
            get_current_comm(event.comm)
            events.submit(event)
            counts[1] = u64(event.comm[:1] != "")
        name = CString[16]()
        name[:] = current.comm
        counts[2] = u64(name == current.comm)
        """.replace('event.comm[:1] != ""', "event.ts == a"),
        [(9, 0)],
        {1: 1, 2: 1},
    ),
    "a check that is one of two conditions": (
        """
        stats[1] = Stat(hits=4)
        stat = stats.get(1)
        if not stat and a == 99:
            counts[5] = 1
        if stat:
            counts[1] = stat.hits
        if stat or a == 99:
            counts[2] = 1
        if stat:
            counts[3] = 2 if not stat and a == 99 else stat.hits
        """,
        [(5, 6)],
        {1: 4, 2: 1, 3: 4},
    ),
    "a check that is one of two conditions of a loop": (
        """
        rounds = 0
        stat = stats.get(1)
        while not stat and rounds < 3:
            rounds += 1
            stats[1] = Stat(hits=3)
            stat = stats.get(1)
        counts[2] = u64(rounds)
        if stat:
            counts[1] = stat.hits
        """,
        [(0, 0)],
        {1: 3, 2: 1},
    ),
    "a dynptr of an element's memory": (
        """
        stats[1] = Stat(hits=a, last=7, name="abc")
        stat = stats.get(1)
        if not stat:
            return
        ptr = bpf_dynptr()
        counts[1] = u64(0 - dynptr_from_mem(stat, 0, ptr))
        part = dynptr_data(ptr, 8, 4)
        counts[2] = u64(part[0]) if part else 99
        counts[3] = u64(0 - dynptr_write(ptr, 12, "xyz", 0))
        counts[4] = u64(stat.name == "xyz")
        counts[5] = u64(0 - dynptr_read(stat.name, ptr, u32(b), 0))
        again = bpf_dynptr()
        counts[6] = u64(0 - dynptr_from_mem(stat.name, 0, again, size=4))
        counts[7] = u64(dynptr_data(again, 0, 8) is None)
        """,
        [(5, 13)],
        {1: 0, 2: 7, 3: 0, 4: 1, 5: 7, 6: 0, 7: 1},
    ),
    "a dynptr of a ring buffer's": (
        """
        for i in unroll(range(2)):
            record = bpf_dynptr()
            failed = ringbuf_reserve_dynptr(ring, u32(b), 0, record)
            if i or failed:
                ringbuf_discard_dynptr(record, 0)
            else:
                counts[1] = u64(0 - dynptr_write(record, 8, Stat(hits=a), 0))
                dynptr_write(record, 0, "first---", 0)
                counts[2] = u64(0 - dynptr_write(record, u32(a), "12345678", 0))
                ringbuf_submit_dynptr(record, 0)
        counts[3] = ringbuf_query(ring, 0)
        """,
        [(1 << 20, 32)],
        {1: 0, 2: 7, 3: 80},
    ),
    "texts put together": (
        """
        line = CString[16]()
        counts[1] = u64(snprintf(line, "%u:%s", u32(a), stack_name))
        counts[2] = u64(line == "5:abc")
        counts[3] = u64(snprintf(line, "%llu-%llu and more", a, b))
        counts[4] = u64(line == "5-6 and more")
        counts[5] = u64(snprintf(line, "12345678901234567890"))
        counts[6] = u64(line == "123456789012345")
        counts[7] = u64(strncmp(line, "123") > 0) + 2 * u64(strncmp(line, "123456789012345") == 0)
        counts[8] = u64(strncmp(line, "13", s1_sz=2) < 0)
        """.replace("stack_name", 'CString[8]("abc")'),
        [(5, 6)],
        {1: 6, 2: 1, 3: 13, 4: 1, 5: 21, 6: 1, 7: 3, 8: 1},
    ),
    "a raw map": (
        """
        counts[1] = u64(map_update_elem(raw, a, b, BPF_NOEXIST) == 0)
        counts[2] = u64(0 - map_update_elem(raw, a, b, BPF_NOEXIST))
        found = map_lookup_elem(raw, a)
        counts[3] = found if found is not None else 0
        counts[4] = u64(map_lookup_elem(raw, 99) is None)
        """,
        [(7, 8)],
        {1: 1, 2: 17, 3: 8, 4: 1},
    ),
    "a number that may not be there": (
        """
        n = counts.get(a)
        if n is None:
            counts[a] = b
        else:
            counts[a] = n + 100
        """,
        [(5, 1), (6, 2), (5, 9)],
        {5: 101, 6: 2},
    ),
    "a default": ("counts[a] = counts.get(a, 40) + b", [(1, 2), (1, 3)], {1: 45}),
    "a number is a copy": (
        """
        counts[1] = 5
        n = counts.get(1)
        counts[1] = 7
        if n is not None:
            counts[2] = n
        """,
        [(0, 0)],
        {1: 7, 2: 5},
    ),
    "in, not in, del": (
        """
        if a not in counts:
            counts[a] = 1
        if b in counts:
            del counts[b]
        """,
        [(1, 9), (2, 1), (3, 3)],
        {2: 1},
    ),
    "add": ("counts.add(a)\ncounts.add(100, b)", [(1, 10), (1, 20), (2, 5)], {1: 2, 2: 1, 100: 35}),
    "pop": (
        """
        counts[a] = b
        n = counts.pop(a)
        if n is not None:
            counts[n] = a
        """,
        [(1, 10)],
        {10: 1},
    ),
    "update": (
        """
        first = counts.update(1, a, BPF_NOEXIST)
        second = counts.update(1, b, flags=BPF_NOEXIST)
        third = counts.update(2, b, BPF_EXIST)
        counts[3] = u64(first == 0 and second == -17 and third == -2)
        """,
        [(4, 5)],
        {1: 4, 3: 1},
    ),
    "an element that is changed in the map": (
        """
        stat = stats.setdefault(1, Stat(last=7, name="x"))
        if not stat:
            return
        stat.hits += b
        same = stats[1]
        if same is not None:
            counts[1] = same.hits
            counts[2] = u64(same.last)
            counts[3] = u64(same.name == "x")
        """,
        [(0, 5), (0, 6)],
        {1: 11, 2: 7, 3: 1},
    ),
    "a check that reaches a copy": (
        """
        stats[1] = Stat(hits=b)
        stat = stats.get(1)
        alias = stat
        if stat:
            counts[1] = alias.hits
        """,
        [(0, 5)],
        {1: 5},
    ),
    "None on one path": (
        """
        stat = None
        if a:
            stats[1] = Stat(hits=b)
            stat = stats[1]
        if stat:
            counts[1] = stat.hits
        if stat is None:
            counts[2] = 1
        counts[3] = stat.hits if stat else 7
        n = counts.get(a + 50)
        counts[4] = n if n is not None else 8
        counts[5] = u64(stat is not None and stat.hits == b)
        """,
        [(1, 5), (0, 9)],
        {1: 5, 2: 1, 3: 7, 4: 8, 5: 0},
    ),
    "a record that is popped lives on": (
        """
        stats[1] = Stat(hits=b, name="gone")
        stat = stats.pop(1)
        if stat:
            counts[1] = stat.hits
            counts[2] = u64(stat.name == "gone")
        counts[3] = u64(1 in stats)
        """,
        [(0, 5)],
        {1: 5, 2: 1, 3: 0},
    ),
    "an array by constants": (
        "slots[7] = u32(b)\nslots[-1] = slots[7] + 1\ncounts[0] = u64(slots[7])",
        [(0, 4)],
        {0: 5},
    ),
    "an array by bounded indices": (
        """
        slots[a & 7] = u32(b)
        for i in range(20):
            slots.add(i & 3, 1)
        counts[0] = u64(slots[min(a, 7)])
        """,
        [(2, 100)],
        {0: 105},
    ),
    "an array by any index": (
        """
        n = slots.get(u32(a))
        if n is None:
            counts[a] = 99
        else:
            counts[a] = u64(n)
        counts[a + 100] = slots.get(u32(a), 7) + u64(u32(a) in slots)
        counts[500] = slots.get(a + (1 << 32), 1234) + u64(a in slots)
        slots.update(a + (1 << 32), 5)
        """,
        [(7, 0), (8, 0)],
        {7: 0, 107: 1, 8: 99, 108: 7, 500: 1234},
    ),
    "records in an array": (
        "rows[1].hits += b\nrows[2] = rows[1]\ncounts[0] = rows[2].hits",
        [(0, 3), (0, 4)],
        {0: 7},
    ),
    "per CPU": (
        "local.add(1, a)\nmine.add(1, b)\nmine[0] = mine[1]\ncounts[0] = local.get(1, 0) + mine[0] * 100",
        [(1, 2), (1, 2)],
        {0: 402},
    ),
    "least recently used": (
        """
        recent[1] = 1
        recent[2] = 2
        recent[3] = 3
        here.add(9, 9)
        counts[0] = recent.get(3, 0) + here.get(9, 0)
        """,
        [(0, 0)],
        {0: 12},
    ),
    "the longest prefix": (
        """
        routes[Route(bits=8, address=b"\\x0a\\0\\0\\0")] = 1
        routes[Route(bits=16, address=b"\\x0a\\x01\\0\\0")] = 2
        counts[1] = u64(routes.get(Route(bits=32, address=[10, 1, 2, 3]), 0))
        counts[2] = u64(routes.get(Route(bits=32, address=[10, 2, 2, 3]), 0))
        counts[3] = u64(routes.get(Route(bits=32, address=[11, 2, 2, 3]), 0))
        """,
        [(0, 0)],
        {1: 2, 2: 1, 3: 0},
    ),
    "a queue": (
        """
        queue.push(a)
        if queue.push(b) != 0:
            counts[50] = 1
        if queue.push(7) == -7:
            queue.push(8, replace=True)
        n = queue.peek()
        if n is not None:
            counts[1] = n
        queue.pop()
        m = queue.pop()
        if m is not None:
            counts[2] = m
        k = queue.pop()
        if k is None:
            counts[3] = 1
        """,
        [(5, 6)],
        {1: 6, 2: 8, 3: 1},
    ),
    "a stack of records": (
        """
        stack.push(Stat(hits=a))
        stack.push(Stat(hits=b, name="last"))
        top = stack.pop()
        if top and top.name == "last":
            counts[1] = top.hits
        """,
        [(5, 6)],
        {1: 6},
    ),
    "a set": ("seen.add(a)\ncounts[1] = u64(a in seen)\ncounts[2] = u64(b in seen)", [(5, 6)], {1: 1, 2: 0}),
    "maps of maps": (
        """
        inner = outer[u32(a)]
        if inner:
            inner[1] = b
            inner.add(1, 1)
            counts[1] = inner.get(1, 0)
        list = lists[1]
        if not list:
            counts[2] = 1
            return
        list[3] = b
        list.add(3, 1)
        counts[3] = list[3]
        """,
        [(5, 6), (9, 9)],
        {1: 7, 3: 10},
    ),
    "a thread's own": (
        """
        stat = threads.current()
        if stat:
            stat.hits += b
            counts[1] = stat.hits
        task = get_current_task_btf()
        again = threads[task]
        if again:
            counts[2] = again.hits
        del threads[task]
        if not threads.get(task, create=False):
            counts[3] = 1
        """,
        [(0, 4)],
        {1: 4, 2: 4, 3: 1},
    ),
    "for each": (
        """
        recent[1] = a
        recent[2] = b
        sum = recent.for_each(visit, Sum(keys=100))
        counts[1] = sum.keys
        counts[2] = sum.values
        rows[1].hits = 4
        rows.for_each(double)
        counts[3] = rows[1].hits + rows[2].last
        stats[7] = Stat(hits=a)
        stats.for_each(double)
        stat = stats[7]
        if stat:
            counts[4] = stat.hits + stat.last
        slots[3] = 9
        counts[5] = slots.for_each(count, Sum()).values + slots.for_each(count, Sum()).keys
        """,
        [(10, 20)],
        {1: 103, 2: 30, 3: 10, 4: 27, 5: 37},
    ),
    "histograms": (
        """
        times.observe(a)
        if a == 3:
            times.observe(1000)
            times.observe(u8(b))
        sizes[7].observe(a)
        sizes[8].observe(u32(b))
        delays.observe(a)
        hits.add()
        hits.add(b)
        """,
        [(0, 1), (1, 2), (2, 3), (3, 255), (1 << 32, 256), (2**64 - 1, 49), (49, 50)],
        {},
    ),
    "variables": (
        """
        total.value += a
        total.add(b)
        level.value = level.value - 1
        table[1] = 5
        table[a & 3] += 2
        state.hits += 1
        state.name = "me"
        counts[1] = total.value
        counts[2] = u64(-level.value)
        counts[3] = u64(table[1])
        counts[4] = state.hits + u64(state.name == "me")
        """,
        [(1, 10), (2, 20)],
        {1: 33, 2: 5, 3: 5, 4: 3},
    ),
}


def source(body: str, decorator: str = "@kprobe('f')") -> str:
    """A module of one probe, with those of the declarations that its body uses."""
    text = textwrap.dedent(body)
    used = [
        line
        for line in DECLARATIONS.splitlines()
        if not (name := re.match(r"(\w+) = ", line)) or re.search(rf"\b{name[1]}\b", text)
    ]
    head = "\n".join(used)
    return f"{head}\n\n{decorator}\ndef probe(a: u64, b: u64):\n{textwrap.indent(text, '    ')}"


def run(machine: Machine, given: list[tuple[int, int]]) -> dict[int, int]:
    for a, b in given:
        machine.call("probe", a, b)
    # A map that the probe has no use for isn't there.
    counts = machine.maps["counts"].items() if "counts" in machine.maps else ()
    return {int.from_bytes(key, "little"): int.from_bytes(value, "little") for key, value in counts}


@pytest.mark.parametrize("name", CASES)
def test_in_a_probe(name, machine):
    body, given, expected = CASES[name]
    made = machine(source(body))
    for outer, key in (("outer", 5), ("lists", 1)):
        if outer in made.maps:
            made.maps[outer].refer(key, made.new_map(made.maps[outer].spec.inner))
    assert run(made, given) == expected


def test_histograms(machine):
    body, given, _ = CASES["histograms"]
    made = machine(source(body))
    run(made, given)
    times = made.maps["times"].lookup(bytes(4))
    found = {slot: count for slot, count in enumerate(struct.unpack("<65Q", times)) if count}
    assert found == {0: 1, 1: 1, 2: 2, 6: 1, 8: 1, 10: 1, 33: 1, 64: 1}
    del found[8], found[10]
    assert struct.unpack("<6Q", made.maps["delays"].lookup(bytes(4))) == (4, 0, 0, 0, 1, 2)
    rows = {
        struct.unpack("<II", key): int.from_bytes(value, "little")
        for key, value in made.maps["sizes"].items()
    }
    assert {slot: count for (key, slot), count in rows.items() if key == 7} == found
    assert {slot: count for (key, slot), count in rows.items() if key == 8} == {1: 1, 2: 2, 6: 2, 8: 1, 9: 1}
    assert sum(made.maps["hits"][0]) == 7 + sum(b for _, b in given)


def test_every_width_of_a_number(machine):
    made = machine(source("times.observe(a)"))
    numbers = {(1 << width) + more & (1 << 64) - 1 for width in range(65) for more in (-1, 0, 1)}
    expected = [0] * 65
    for number in numbers:
        made.call("probe", number, 0)
        expected[number.bit_length()] += 1
    assert list(struct.unpack("<65Q", made.maps["times"].lookup(bytes(4)))) == expected


def test_what_a_full_map_does_not_take_is_counted(machine):
    made = machine(source("stats[a & 7] = Stat()\ncounts.add(a)\nsizes[a & 1].observe(b)"))
    for number in range(18):
        made.call("probe", number, 0)
    table = made.maps[".bss"]
    counts = dict(zip((field.name for field in table.spec.value.fields), table[0]))
    assert {name: count for name, count in counts.items() if count} == {"stats": 8, "counts": 2}
