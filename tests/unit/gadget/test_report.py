"""What a program counted: histograms and stacks, from maps as the kernel has them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pybpf.dsl import CString, LinearHist, Log2Hist, Record, u16, u32
from pybpf.elf.symbols import Symbol, Symbols
from pybpf.errors import UsageError
from pybpf.gadget import Device, KernelStack, UserStack, folded, histogram, stacks
from pybpf.sys import devices, kallsyms, processes


class Map:
    """A map that is read only."""

    def __init__(self, elements: dict[bytes, bytes], key: Any = None) -> None:
        self.elements = elements
        self.spec = SimpleNamespace(key=key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self.elements.items())

    def lookup(self, key: bytes) -> bytes | None:
        return self.elements.get(key)


def texts(declared: Any, elements: dict[bytes, bytes]) -> list[str]:
    made: Any = Map(elements)
    return [histogram.draw(each) for each in histogram.read(declared, made)]


class TestHistogram:
    def test_without_a_key(self) -> None:
        counts = [3, 0, 0, 40, 1] + [0] * 60
        assert texts(Log2Hist("size"), {bytes(4): struct.pack("<65Q", *counts)}) == [
            "size: 44 in all\n"
            "        0   3 |###                                     |\n"
            "        1   0 |                                        |\n"
            "   2 to 3   0 |                                        |\n"
            "   4 to 7  40 |########################################|\n"
            "  8 to 15   1 |#                                       |\n"
        ]

    def test_the_last_slot_of_64_bits(self) -> None:
        (found,) = texts(Log2Hist("x"), {bytes(4): struct.pack("<65Q", *[0] * 64, 1)})
        assert f"{1 << 63} to {(1 << 64) - 1}  1 |####" in found

    def test_what_came_since(self) -> None:
        declared = LinearHist("wait", 10, 3, key=u32)

        def reading(*rows: tuple[int, int, int]) -> list[histogram.Histogram]:
            made: Any = Map({struct.pack("<II", key, slot): struct.pack("<Q", n) for key, slot, n in rows})
            return histogram.read(declared, made)

        before = reading((1, 0, 5), (1, 2, 1), (2, 1, 7))
        now = reading((1, 0, 5), (1, 1, 2), (1, 2, 4), (2, 1, 7), (3, 3, 1))
        assert histogram.since([], before) == before
        assert histogram.since(before, before) == []
        assert histogram.since(before, now) == [
            histogram.Histogram("wait", {"u32": 1}, (histogram.Slot(10, 19, 2), histogram.Slot(20, 29, 3))),
            histogram.Histogram("wait", {"u32": 3}, (histogram.Slot(30, None, 1),)),
        ]

    def test_steps(self) -> None:
        declared = LinearHist("wait", 10, 3)
        assert texts(declared, {bytes(4): struct.pack("<4Q", 1, 2, 0, 4)}) == [
            "wait: 7 in all\n"
            "       0 to 9  1 |##########                              |\n"
            "     10 to 19  2 |####################                    |\n"
            "     20 to 29  0 |                                        |\n"
            "  30 and more  4 |########################################|\n"
        ]

    def test_nothing_was_observed(self) -> None:
        assert texts(Log2Hist("x"), {bytes(4): bytes(8 * 65)}) == []
        assert texts(Log2Hist("x", Device), {}) == []

    def test_by_a_number_with_a_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(devices.os, "readlink", lambda path: f"../../block/{path[-3:].replace(':', '_')}")
        devices.block_device.cache_clear()
        rows = {struct.pack("<II", 8 << 20 | minor, 4): struct.pack("<Q", 5) for minor in (1, 0)}
        found = texts(Log2Hist("us", Device), rows)
        devices.block_device.cache_clear()
        assert found == [
            f"us of device {name}: 5 in all\n  8 to 15  5 |{'#' * 40}|\n" for name in ("8_0", "8_1")
        ]

    def test_by_a_record(self) -> None:
        class Key(Record):
            comm: CString[8]
            port: u16

        declared = Log2Hist("us", Key)
        assert declared.row is not None
        row = struct.pack("<8sHxxI", b"a\x1b;b", 80, 0)
        assert len(row) == declared.row.size
        made: Any = Map({row: struct.pack("<Q", 2)})
        (found,) = histogram.read(declared, made)
        assert histogram.draw(found).startswith("us of comm a\\x1b;b, port 80: 2 in all\n")
        assert histogram.as_json(found) == (
            '{"comm": "a\\u001b;b", "name": "us", "port": 80, "slots": [{"count": 2, "from": 0, "to": 0}]}\n'
        )


class Sample(Record):
    comm: CString[16]
    pid: u32
    user: UserStack
    kernel: KernelStack


TRACES = {
    0: [0x7000_1010, 0x7000_1234],
    1: [0xFFFF_FFFF_8100_0010, 0xFFFF_FFFF_8100_0100],
    2: [0x5000, 0x8000_0000],
}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Counts by (comm, pid, user, kernel)."""
    text = b"ffffffff81000000 T entry\nffffffff81000010 t __pfx_f\nffffffff81000100 T f\n"
    monkeypatch.setattr(kallsyms, "_text", lambda: text)
    kallsyms._functions.cache_clear()
    maps = {
        7: [processes.Mapping(0x7000_1000, 0x7000_2000, 0x3000, "/lib/x.so")],
        8: [processes.Mapping(0x5000, 0x6000, 0, "[vdso]"), processes.Mapping(1 << 31, 1 << 32, 0, "")],
    }
    monkeypatch.setattr(processes, "mappings", lambda pid: maps.get(pid, []))
    symbols = Symbols(iter([Symbol(0x3000, 0x100, "outer"), Symbol(0x3200, 0x100, "in;ner")]))
    monkeypatch.setattr(stacks, "_symbols", lambda path: symbols if path == "/lib/x.so" else None)

    def make(counts: dict[tuple[bytes, int, int, int], int]) -> list[folded.Stack]:
        keys = {struct.pack("<16sIii", *key): value.to_bytes(8, "little") for key, value in counts.items()}
        traces = {
            number.to_bytes(4, "little"): struct.pack("<8Q", *trace, *[0] * (8 - len(trace)))
            for number, trace in TRACES.items()
        }
        samples: Any = Map(keys, Sample.layout)
        return folded.Folded(samples, Map(traces)).read()  # type: ignore[arg-type]

    yield make
    kallsyms._functions.cache_clear()


class TestStacks:
    def test_names_outermost_first(self, counted: Any) -> None:
        (found,) = counted({(b"cat", 7, 0, 1): 12})
        assert found == (("cat", "in;ner", "outer", "f_[k]", "entry_[k]"), 12)
        assert folded.fold(found) == "cat;in:ner;outer;f_[k];entry_[k] 12\n"
        assert folded.as_json(found) == (
            '{"count": 12, "stack": ["cat", "in;ner", "outer", "f_[k]", "entry_[k]"]}\n'
        )

    @pytest.mark.parametrize(
        ("sample", "line"),
        [
            ((b"cat", 7, -14, -14), "cat 1\n"),
            ((b"cat", 7, -17, 1), "cat;[not kept];f_[k];entry_[k] 1\n"),
            ((b"cat", 9, 0, -14), "cat;[unknown];[unknown] 1\n"),  # gone before anyone looked
            ((b"cat", 8, 2, -14), "cat;[no file];[vdso] 1\n"),
            ((b"a b\x1b", 7, -14, -14), "a b\\x1b 1\n"),
        ],
    )
    def test_what_has_no_name(self, counted: Any, sample: Any, line: str) -> None:
        assert [folded.fold(each) for each in counted({sample: 1})] == [line]

    def test_equal_stacks_of_two_processes_are_one(self, counted: Any) -> None:
        assert counted({(b"cat", 5, -14, 1): 2, (b"cat", 6, -14, 1): 3}) == [
            (("cat", "f_[k]", "entry_[k]"), 5)
        ]

    def test_a_record_without_what_is_shown(self) -> None:
        class Bare(Record):
            kernel: KernelStack

        with pytest.raises(UsageError) as caught:
            folded.Folded(Map({}, Bare.layout), Map({}))  # type: ignore[arg-type]
        assert str(caught.value) == "Bare has no comm and no pid: stacks are shown with these"
