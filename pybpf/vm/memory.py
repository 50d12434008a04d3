"""The machine's address space: regions of 4 GiB each, of which the first bytes are there.

An address is `slot << 32 | offset`. Each region begins at offset 0 of a slot of its own, so that its slot
finds it, and an access beyond either end never meets a neighbour. Nothing is at slot 0: the null page.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from pybpf.vm.errors import Fault

__all__ = ["KERNEL", "USER", "Fields", "Memory", "Region"]

# The first slots: kernel addresses, as with five-level page tables on x86-64; and those of user space.
KERNEL = 0xFF00_0000
USER = 0x7F00

_LOW = 0xFFFF_FFFF
_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_PACKERS = {size: struct.Struct("<" + code) for size, code in _CODES.items()}
# What the fast path raises where memory is not plain, or too short.
_MISS = (KeyError, struct.error)


class Fields(Protocol):
    """A region whose loads and stores are not plain memory, such as `struct __sk_buff`."""

    def load(self, offset: int, size: int) -> int: ...

    def store(self, offset: int, size: int, value: int) -> None: ...


class Region:
    """A piece of memory. `valid` has a 1 for each byte that was written; None: all may be read."""

    __slots__ = ("address", "data", "fields", "name", "valid", "writable")

    def __init__(
        self,
        address: int,
        data: bytearray,
        name: str,
        writable: bool,
        valid: bytearray | None,
        fields: Fields | None,
    ) -> None:
        self.address = address
        self.data = data
        self.name = name
        self.writable = writable
        self.valid = valid
        self.fields = fields


Load = Callable[[int], int]
Store = Callable[[int, int], None]


def _what(address: int, size: int) -> str:
    return f"{size} byte{'s' if size != 1 else ''} at {address & (1 << 64) - 1:#x}"


class Memory:
    """All regions, by slot; loads, stores, and the reads and writes of helpers."""

    def __init__(self) -> None:
        self.regions: dict[int, Region] = {}
        # What the fast path needs: memory that may be read, and written, without a further question.
        self._readable: dict[int, bytearray] = {}
        self._writable: dict[int, bytearray] = {}
        # How many loads found nothing, and were 0.
        self.faults = 0
        self._next = {KERNEL: KERNEL, USER: USER}

    def map(
        self,
        data: bytearray,
        name: str,
        *,
        writable: bool = True,
        valid: bytearray | None = None,
        fields: Fields | None = None,
        space: int = KERNEL,
    ) -> Region:
        """Put `data` at an address of its own. User space can be read by helpers only."""
        slot = self._next[space]
        self._next[space] = slot + 1
        region = Region(slot << 32, data, name, writable, valid, fields)
        self.regions[slot] = region
        if valid is None and fields is None and space == KERNEL:
            self._readable[slot] = data
            if writable:
                self._writable[slot] = data
        return region

    def unmap(self, region: Region) -> None:
        """Take it away: from now on an access is an error."""
        slot = region.address >> 32
        del self.regions[slot]
        self._readable.pop(slot, None)
        self._writable.pop(slot, None)

    def protect(self, region: Region) -> None:
        """From now on programs can't write it."""
        region.writable = False
        self._writable.pop(region.address >> 32, None)

    def is_mapped(self, address: int, user: bool) -> bool:
        """Does a read there succeed, or else fault?"""
        return address >> 32 in self.regions and user == (address < KERNEL << 32)

    def _span(self, address: int, size: int, user: bool) -> tuple[Region, int]:
        """The region of the bytes from `address`, and their offset in it; a Fault says what is wrong."""
        region = self.regions.get(address >> 32)
        what = _what(address, size)
        if region is None:
            raise Fault(f"{what}: null pointer" if 0 <= address < 1 << 32 else f"{what}: nothing is there")
        if user != (region.address < KERNEL << 32):
            cure = "use bpf_probe_read_kernel" if user else "use bpf_probe_read_user"
            raise Fault(f"{what}: {region.name} is {'kernel' if user else 'user'} memory: {cure}")
        offset = address & _LOW
        if offset + size > len(region.data) and region.fields is None:
            raise Fault(f"{what}: outside {region.name}, offset {offset} of {len(region.data)} bytes")
        return region, offset

    def read(self, address: int, size: int, *, user: bool = False) -> bytes:
        """`size` bytes from `address`, all of them initialised."""
        if not size:
            return b""
        region, offset = self._span(address, size, user)
        if region.valid is not None:
            hole = region.valid.find(0, offset, offset + size)
            if hole >= 0:
                raise Fault(f"{_what(address, size)}: byte {hole} of {region.name} was never written")
        return bytes(region.data[offset : offset + size])

    def write(self, address: int, data: bytes, *, user: bool = False) -> None:
        """Put `data` at `address`."""
        if not data:
            return
        region, offset = self._span(address, len(data), user)
        if not region.writable:
            raise Fault(f"{_what(address, len(data))}: {region.name} is read-only")
        region.data[offset : offset + len(data)] = data
        if region.valid is not None:
            region.valid[offset : offset + len(data)] = b"\1" * len(data)

    def string(self, address: int, limit: int, *, user: bool = False) -> bytes:
        """The bytes from `address` up to a NUL (without it), or `limit` of them."""
        region, offset = self._span(address, 1, user)
        end = region.data.find(0, offset, offset + limit)
        if end < 0:
            return self.read(address, limit, user=user)
        return self.read(address, end - offset, user=user)

    def load(self, address: int, size: int) -> int:
        """The little-endian number of 1, 2, 4 or 8 bytes at `address`."""
        region = self.regions.get(address >> 32)
        if region is not None and region.fields is not None:
            return region.fields.load(address & _LOW, size)
        return int.from_bytes(self.read(address, size), "little")

    def store(self, address: int, size: int, value: int) -> None:
        """Put the low `size` bytes of `value` at `address`."""
        region = self.regions.get(address >> 32)
        if region is not None and region.fields is not None:
            region.fields.store(address & _LOW, size, value)
        else:
            self.write(address, (value & (1 << size * 8) - 1).to_bytes(size, "little"))

    def load_or_zero(self, address: int, size: int) -> int:
        """The number at `address`; 0 where no kernel memory is, as the kernel's exception table has it."""
        if self.is_mapped(address, user=False):
            return self.load(address, size)
        self.faults += 1
        return 0

    def loader(self, size: int, *, or_zero: bool = False) -> Load:
        """A quick `load`, or `load_or_zero`, of one size."""
        unpack, readable, fails = _PACKERS[size].unpack_from, self._readable, _MISS
        slow = self.load_or_zero if or_zero else self.load

        def load(address: int) -> int:
            try:
                value: int = unpack(readable[address >> 32], address & _LOW)[0]
                return value
            except fails:
                return slow(address, size)

        return load

    def storer(self, size: int) -> Store:
        """A quick `store` of one size; the value must fit."""
        pack, writable, slow, fails = _PACKERS[size].pack_into, self._writable, self.store, _MISS

        def store(address: int, value: int) -> None:
            try:
                pack(writable[address >> 32], address & _LOW, value)
            except fails:
                slow(address, size, value)

        return store
