"""Records, arrays, texts and unions: what a probe can do with data of its own, on the machine."""

from __future__ import annotations

import re
import textwrap

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.spec import Target
from pybpf.vm import Machine

TARGET = Target("reference", btf.reference())

DECLARATIONS = """
class Point(Record):
    x: i32
    y: i32

class Line(Record):
    start: Point
    end: Point
    color: u8

class Address(Union):
    v4: u32
    v6: Array[u8, 16]
    words: Array[u32, 4]

class Peer(Record):
    family: u16
    address: Address
    name: CString[10]
    points: Array[Point, 3]

class Header(Record, packed=True):
    kind: u8
    length: u32
    flags: u16
    check: u64

class Flags(Record):
    kind: Bits[u8, 3]
    level: Bits[i8, 4]
    more: Bits[u32, 12]
    rest: u8
    wide: Bits[u64, 40]

class Odd(Record):
    x: u32
    y: u32
    z: u32

class Longer(Point):
    z: i64

@subprogram
def move(point: Point, by: u64) -> u64:
    point.x += i32(by)
    return 0

@subprogram
def step(i: u64, point: Point) -> u64:
    point.y += 1
    return 0

lines = HashMap("lines", u32, Line, max_entries=4)
peers = HashMap("peers", u32, Peer, max_entries=4)
by_line = HashMap("by_line", Line, u64, max_entries=4)
by_name = HashMap("by_name", CString[16], u64, max_entries=4)
flags = HashMap("flags", u32, Flags, max_entries=4)
headers = HashMap("headers", Header, Header, max_entries=4)
large = ArrayMap("large", Array[u64, 64], 1)
"""

# As in test_maps: the body of a probe of two numbers, what it is given, and what `counts` holds in the end.
CASES = {
    "records in records": (
        """
        line = Line(start=Point(1, 2), color=3)
        line.end.x = i32(a)
        line.end = Point(x=line.end.x, y=7)
        counts[1] = u64(line.start.x + line.end.x)
        counts[2] = u64(line.end.y) + line.color
        lines[1] = line
        found = lines[1]
        if found:
            found.start = line.end
            counts[3] = u64(found.start.x)
            by_line[found] = 5
            counts[4] = by_line.get(Line(start=line.end, end=line.end, color=3), 0)
        """,
        [(40, 0)],
        {1: 41, 2: 10, 3: 40, 4: 5},
    ),
    "compared as wholes": (
        """
        p, q = Point(1, i32(a)), Point(1, i32(b))
        counts[1] = u64(p == q)
        lines[1] = Line(start=p, end=q)
        line = lines[1]
        if line:
            counts[2] = u64(line.start == line.end)
            counts[3] = u64(line.start != p) + 10 * u64(line.end == q)
        """,
        [(5, 5)],
        {1: 1, 2: 1, 3: 10},
    ),
    "compared, and different": (
        """
        p, q = Point(1, i32(a)), Point(1, i32(b))
        counts[1] = u64(p == q)
        lines[1] = Line(start=p, end=q)
        line = lines[1]
        if line:
            counts[2] = u64(line.start == line.end)
        """,
        [(5, 6)],
        {1: 0, 2: 0},
    ),
    "a record made from another": (
        "p = Longer(x=1, y=2, z=i64(a))\ncounts[1] = u64(p.x + p.y + p.z)",
        [(7, 0)],
        {1: 10},
    ),
    "a record that functions change": (
        """
        p = Point(1, 2)
        move(p, a)
        loop(b, step, p)
        counts[1] = u64(p.x)
        counts[2] = u64(p.y)
        line = Line()
        line.end.x = 5
        move(line.end, 1)
        counts[3] = u64(line.end.x)
        """,
        [(40, 7)],
        {1: 41, 2: 9, 3: 6},
    ),
    "a union": (
        """
        peer = Peer(family=2)
        peer.address.v6 = b"0123456789abcdef"
        counts[1] = u64(peer.address.v4)
        peer.address.v4 = u32(a)
        counts[2] = u64(peer.address.v6[0]) + u64(peer.address.words[0]) + u64(peer.address.words[3])
        """,
        [(5, 0)],
        {1: 0x33323130, 2: 10},
    ),
    "records with arrays and texts": (
        """
        peer = Peer(family=2, name="abc", points=[Point(1, 2), Point(3, 4), Point(x=5)])
        peer.points[1].y += i32(a)
        peer.points[2] = peer.points[1]
        peers[1] = peer
        found = peers.pop(1)
        if found:
            counts[1] = u64(found.points[2].y)
            counts[2] = u64(found.name == "abc") + 10 * u64(found.name == "abcd") + 100 * u64(found == peer)
            counts[3] = len(found.points) + 10 * len(peer.address.v6)
        """,
        [(6, 0)],
        {1: 10, 2: 101, 3: 163},
    ),
    "arrays by kernel indices": (
        """
        row = Array[u64, 8](1, 2, 3)
        row[3] = b
        total = 0
        for i in range(8):
            total += row[i]
        for i in range(100):
            row[i & 7] += 1
        row[a & 7] = 1000
        if a < 8:
            row[a] += 1
        if a >= 8 or not row[a] == 1001:
            row[0] = 0
        row[min(a, 3) + a % 5 // 3] += 0
        counts[1] = total
        counts[2] = row[a & 7] + row[7]
        for i in unroll(range(2)):
            large[0][i] = total
        for i in range(30, 40):
            large[0][i] += i
        counts[3] = large[0][1] + large[0][39]
        """,
        [(1, 10)],
        {1: 16, 2: 1013, 3: 55},
    ),
    "slices": (
        """
        row = Array[u32, 6](1, 2, 3, 4, 5, 6)
        row[0:3] = row[3:]
        counts[1] = u64(row[0]) * 100 + u64(row[2])
        data = Array[u8, 8]()
        data[:] = b"abcdefgh"
        data[2:4] = "XY"
        data[-1] = u8(a)
        counts[2] = u64(data[:4] == b"abXY") + 2 * u64(data[4:7] == "efg") + 4 * u64(data[6:] == b"gh")
        counts[3] = u64(data[2:4] == data[2:4]) + 2 * u64(row[:2] == row[1:3]) + u64(data[7])
        """,
        [(66, 0)],
        {1: 406, 2: 3, 3: 67},
    ),
    "texts": (
        """
        name = CString[16]("/usr/lib")
        counts[1] = u64(name.startswith("/usr")) + 2 * u64(name.startswith("/lib"))
        counts[1] = counts.get(1, 0) + 4 * u64(name.startswith("")) + 8 * u64(name != "x")
        counts[2] = u64(name == "/usr/lib") + 2 * u64(name == "/usr") + 4 * u64(name[:4] == "/usr")
        counts[3] = u64(name[5])
        name[0] = 0
        if not name:
            counts[4] = 1
        name = CString[16](current.comm)
        if name == current.comm:
            counts[5] = 1
        by_name[name] = 9
        counts[6] = by_name.get(current.comm, 0)
        """,
        [(0, 0)],
        {1: 13, 2: 5, 3: 108, 4: 1, 5: 1, 6: 9},
    ),
    "one place or another": (
        """
        peer = Peer(name="one", points=[Point(1, 1), Point(2, 2), Point(3, 3)])
        other = Peer(name="two")
        point = peer.points[1] if a else peer.points[2]
        point.x += 10
        name = peer.name if a else other.name
        counts[a] = u64(point.x) + 100 * u64(name == "one")
        if a:
            row = peer.address.words
        else:
            row = other.address.words
        row[1] = 7
        counts[a + 2] = u64(peer.address.words[1]) + 10 * u64(other.address.words[1])
        row = Array[Odd, 3](Odd(1, 1, 1), Odd(2, 2, 2))
        odd = row[0]
        for i in range(3):
            odd.z += u32(i + 7)
            odd = row[i]
        counts[a + 4] = u64(odd == row[2]) + 10 * u64(row[0].z) + 1000 * u64((row[1] if a else row[0]).z)
        """,
        [(0, 0), (1, 0)],
        {0: 13, 1: 112, 2: 70, 3: 7, 4: 16161, 5: 11161},
    ),
    "a text that two branches use": (
        """
        comm = current.comm
        if a:
            counts[1] = u64(comm == "never")
        else:
            counts[2] = u64(comm.startswith("x"))
        """,
        [(0, 0), (1, 0)],
        {1: 0, 2: 0},
    ),
    "bit fields": (
        """
        made = Flags(kind=5, level=-3, more=u32(a) & 0xFFF, rest=9, wide=b & 0xFFFFFFFFFF)
        flags[1] = made
        found = flags[1]
        if found:
            counts[1] = u64(found.kind) + 10 * u64(-found.level) + 100 * u64(found.more)
            found.kind = 7
            found.more = (found.more + 1) & 0xFFF
            counts[2] = found.wide + found.rest
            counts[3] = u64(found == made)
            found.kind = u8(a) & 7
            found.more = 0xABC
            made.more = found.more & 0xFFF
            counts[4] = u64(found == made)
        """,
        [(5, (1 << 40) - 10)],
        {1: 535, 2: (1 << 40) - 1, 3: 0, 4: 1},
    ),
    "numbers that are small on each path": (
        """
        x = -1 if a > 3 else 7
        made = Flags(level=x, kind=b & 7 if a else 1)
        point = Point(x=x)
        counts[1] = u64(i64(made.level) + 10)
        counts[2] = u64(made.kind)
        counts[3] = u64(point.x + 3)
        """,
        [(5, 14)],
        {1: 9, 2: 6, 3: 2},
    ),
    "elements that change while a loop goes over them": (
        """
        row = Array[u64, 4](a, 2, 3, 4)
        total = 0
        for x in row:
            total += x
            row[3] = total
            if x == 3:
                continue
            row[2] += 1
        counts[1] = total
        """,
        [(1, 3)],
        {1: 16},
    ),
    "texts of two sizes": (
        """
        short, long = CString[8]("1234567"), CString[20]("1234567")
        counts[1] = u64(short == long) + 2 * u64(long == short)
        long[7] = ord("8")
        counts[2] = u64(short == long) + 2 * u64(long != short)
        short[7] = ord("8")
        counts[3] = u64(short == long)
        long[8] = ord("9")
        counts[4] = u64(short == long)
        """,
        [(1, 3)],
        {1: 3, 2: 2, 3: 1, 4: 0},
    ),
    "indices that are seen to be small enough": (
        """
        row = Array[u64, 4](1, 2, 3, 4)
        if a < len(row):
            counts[1] = row[a]
        if b <= len(row) - 1:
            counts[2] = row[b]
        counts[3] = row[i32(b) & 3]
        """,
        [(1, 3), (4, 7)],
        {1: 2, 2: 4, 3: 4},
    ),
    "one record or another": (
        """
        p = Point(1, 2) if a > 3 else Point(3, 4)
        if b > 3:
            q = Point(x=5)
        else:
            q = p
            q.y = 9
        q2 = Point(10, 20)
        if a > 3:
            q2 = Point(30, 40)
        q2.y += 1
        counts[1] = u64(p.x * 10 + p.y)
        counts[2] = u64(q2.x + q2.y)
        """.replace("q = p\n", "q = Point(p.x, p.y)\n"),
        [(5, 14)],
        {1: 12, 2: 71},
    ),
    "signed bit fields": (
        """
        made = Flags(level=Bits[i8, 4](a), kind=Bits[u8, 3](b), more=i32(a) & 7)
        flags[1] = made
        found = flags[1]
        if found:
            counts[1] = u64(i64(found.level))
            found.level = i8(b) % 7
            made.level = found.level
            counts[2] = u64(i64(made.level))
            counts[3] = u64(found.kind) + 10 * u64(found.more)
            found.level = Bits[i8, 4](-9)
            counts[4] = u64(i64(found.level))
        """,
        [(0xFD, 0xFE)],
        {1: (1 << 64) - 3, 2: 5, 3: 56, 4: 7},
    ),
    "packed": (
        """
        header = Header(kind=1, length=u32(a), flags=7, check=b)
        headers[header] = header
        found = headers.get(Header(1, u32(a), 7, b))
        if found:
            found.length += 1
            counts[1] = u64(found.length)
            counts[2] = found.check
            counts[3] = u64(found == header)
        """,
        [(0x12345678, 0xFEDCBA9876543210)],
        {1: 0x12345679, 2: 0xFEDCBA9876543210, 3: 0},
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


@pytest.mark.parametrize("name", CASES)
def test_in_a_probe(name, module):
    body, given, expected = CASES[name]
    made = Machine(lower(module(source(body)), {}, TARGET), btf=TARGET.btf)
    for a, b in given:
        made.call("probe", a, b)
    counts = {
        int.from_bytes(key, "little"): int.from_bytes(value, "little")
        for key, value in made.maps["counts"].items()
    }
    assert counts == expected


def test_bit_fields_of_events(module):
    text = """
    class Packet(Record):
        kind: Bits[u8, 3]
        level: Bits[i8, 4]
        length: Bits[u32, 20]
        name: CString[8]
    events = packets = Events("packets", Packet)

    @kprobe("f")
    def probe(a: u64, b: i64):
        packet = packets.reserve()
        if packet:
            packet.kind = a & 7
            packet.level = Bits[i8, 4](b)
            packet.length = 77777
            packet.name = "x"
            packets.submit(packet)
    """
    machine = Machine(lower(module(text), {}, TARGET), btf=TARGET.btf)
    machine.call("probe", 13, -3)
    assert machine.maps["packets"].records() == [{"kind": 5, "level": -3, "length": 77777, "name": b"x"}]
