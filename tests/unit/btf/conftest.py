"""BTF blobs written out by hand, word by word: what the library's own builder can't have made wrong."""

from __future__ import annotations

import struct

import pytest

_NAMES = """void int ptr array struct union enum fwd typedef volatile const restrict func func_proto var
datasec float decl_tag type_tag enum64"""
KINDS = _NAMES.split()


class Blob:
    """Collects records: `blob.add("struct", "file", 24, [("f_pos", 1, 0)])`; ids count from `first`."""

    def __init__(self, order: str = "<", first: int = 1, strings: bytes = b"\0", below: int = 0) -> None:
        self.order, self.next, self.strings, self.below = order, first, strings, below
        self.types = b""

    def string(self, name: str) -> int:
        if not name:
            return 0
        raw = name.encode() + b"\0"
        at = self.strings.find(b"\0" + raw)
        if at < 0:
            at = len(self.strings) - 1
            self.strings += raw
        return at + 1 + self.below

    def add(self, kind: str, name: str, third: int, entries=(), *, flag=0, vlen=None, extra=()) -> int:
        words = [self.string(name), 0, third, *extra]
        words[1] = flag << 31 | KINDS.index(kind) << 24 | (len(entries) if vlen is None else vlen)
        for entry in entries:
            words += [self.string(e) if isinstance(e, str) else e & 0xFFFFFFFF for e in entry]
        self.types += struct.pack(f"{self.order}{len(words)}I", *words)
        self.next += 1
        return self.next - 1

    def integer(self, name: str, size: int, encoding: int = 0) -> int:
        return self.add("int", name, size, extra=[encoding << 24 | size * 8])

    def array(self, element: int, count: int, index: int = 1) -> int:
        return self.add("array", "", 0, extra=[element, index, count])

    def bytes(self) -> bytes:
        types, strings = len(self.types), len(self.strings)
        header = struct.pack(self.order + "HBBIIIII", 0xEB9F, 1, 0, 24, 0, types, types, strings)
        return header + self.types + self.strings


@pytest.fixture
def new_blob() -> type[Blob]:
    return Blob


@pytest.fixture(params=["<", ">"], ids=["little", "big"])
def blob(request: pytest.FixtureRequest) -> Blob:
    return Blob(request.param)
