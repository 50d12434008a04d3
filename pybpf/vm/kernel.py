"""Kernel memory: objects with the layout that BTF gives them.

    dentry = machine.kernel.new("struct dentry", d_name={"name": "foo", "len": 3})
    file = machine.kernel.new("struct file", f_path={"dentry": dentry})

An object stands for its address wherever an int may. What was not given is zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.errors import UsageError
from pybpf.vm.memory import USER, Memory, Region

if TYPE_CHECKING:
    from pybpf.btf import Btf, Field, Type

__all__ = ["UNREADABLE", "Kernel", "Object"]

# An address where nothing ever is: reading it fails as a page fault does.
UNREADABLE = 0xDEAD_0000_0000_0000


class Object:
    """A variable of the kernel, or a part of one: `address`, and fields by `get` and `set`."""

    def __init__(self, kernel: Kernel, type: Type, address: int) -> None:
        self._kernel = kernel
        self.type = type
        self.address = address

    @property
    def region(self) -> Region:
        """The memory that it lies in."""
        return self._kernel.memory.regions[self.address >> 32]

    def __index__(self) -> int:
        return self.address

    def __repr__(self) -> str:
        return f"<{self.type.declaration} at {self.address:#x}>"

    def address_of(self, path: str) -> int:
        """The address of a field, such as `"f_path"` or `"comm[1]"`; raises `FieldNotFound`."""
        return self.address + self.type.offset_of(path)

    def get(self, path: str) -> int:
        """A field's number; signed where its type is."""
        load = self.type.field(path).load
        value = self._kernel.memory.load(self.address + load.offset, load.size) << load.left & (1 << 64) - 1
        if load.signed:
            value -= (value & 1 << 63) << 1
        return value >> load.right

    def set(self, **fields: Any) -> Object:
        """Set fields (dotted ones by `**{"d_name.len": 3}`).

        A number, an object (its address), or None (0) for a number or pointer; a dict for a struct or union;
        a list for an array; text or bytes for an array of characters, or for a pointer to text, which is put
        into memory of its own.
        """
        for path, value in fields.items():
            self._set(self.type.field(path), value)
        return self

    def _set(self, field: Field, value: Any) -> None:
        kind = field.type.resolve()
        address = self.address + field.offset
        memory = self._kernel.memory
        if isinstance(value, dict):
            Object(self._kernel, kind, address).set(**value)
            return
        if isinstance(value, (list, tuple)):
            for index, each in enumerate(value):
                self._set(self.type.field(f"{field.name}[{index}]"), each)
            return
        if isinstance(value, (str, bytes)):
            text = value.encode() if isinstance(value, str) else value
            if kind.kind == "array":
                if len(text) > field.size:
                    raise UsageError(f"{field.name} has {field.size} bytes, {value!r} has {len(text)}")
                memory.write(address, text.ljust(field.size, b"\0"))
                return
            value = self._kernel.string(text)
        try:
            number = 0 if value is None else value.__index__()
        except AttributeError:
            raise UsageError(f"{value!r} is no value for {field.type.declare(field.name)}") from None
        load = field.load
        bits = field.bit_size or load.size * 8
        first = 64 - load.left - bits
        if not -(1 << bits - 1) <= number < 1 << bits:
            raise UsageError(f"{number:#x} does not fit into {field.type.declare(field.name)} ({bits} bits)")
        mask = (1 << bits) - 1 << first
        old = memory.load(self.address + load.offset, load.size)
        memory.store(self.address + load.offset, load.size, old & ~mask | number << first & mask)


class Kernel:
    """The kernel's memory of one machine; `btf` gives its types."""

    def __init__(self, memory: Memory, btf: Btf | None) -> None:
        self.memory = memory
        self._btf = btf

    @property
    def btf(self) -> Btf:
        if self._btf is None:
            raise UsageError("this machine knows no types: give it a target, or btf=pybpf.btf.reference()")
        return self._btf

    def new(self, declaration: str, **fields: Any) -> Object:
        """A new variable, zeroed but for `fields`; see `Object.set`."""
        type = self.btf.type(declaration)
        region = self.memory.map(bytearray(type.size), f"a {declaration}")
        return Object(self, type.resolve(), region.address).set(**fields)

    def string(self, text: str | bytes) -> int:
        """The address of a new NUL-terminated text."""
        data = text.encode() if isinstance(text, str) else text
        return self.memory.map(bytearray(data + b"\0"), "a text").address

    def buffer(self, data: bytes) -> int:
        """The address of new memory with that content."""
        return self.memory.map(bytearray(data), "kernel memory").address

    def user(self, data: bytes) -> int:
        """The address of new memory of the current process, which only `bpf_probe_read_user` reads."""
        return self.memory.map(bytearray(data), "user memory", space=USER).address
