"""A full path: from a file's name up through its directories and mounts to the root, as d_path(9) walks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.codegen.builder import Builder
from pybpf.codegen.ir import Block, Local, Op
from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.kernel import DIRECT, KernelMemory, KernelPointer
from pybpf.dsl.maps import LOST_OFFSET
from pybpf.dsl.memory import Memory
from pybpf.dsl.text import Unsized
from pybpf.dsl.values import describe

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["full_path"]

# Directories and mounts that are passed at most.
_STEPS = 32
_LONGEST_NAME = 255  # NAME_MAX, include/uapi/linux/limits.h
# In the event's own memory, behind it: where the path is put together, from its end to its start.
_ROOM = 4095
_MOUNT = 64  # of it, at its start, for what is read of a mount
_START = LOST_OFFSET - (_ROOM + 1) - (_LONGEST_NAME + 1)
_MORE = int.from_bytes(b"...", "little")


@Intrinsic
def full_path(cx: Context, path: Any) -> _Path:
    """The path of a file, for a text member of an event: `event.file = full_path(file.f_path)`.

    Of a `struct path` it is the path in the mount namespace of whoever opened the file, without regard to
    chroot; of a `struct dentry *`, the path in its file system. One that is too long, or deeper than 32
    directories and mounts, loses its beginning, for which `...` stands. Bounded loops: Linux 5.3.
    """
    if isinstance(path, KernelPointer) and path.target.resolve().key == "struct dentry":
        return _Path(_number(cx, path), None)
    if not isinstance(path, (KernelPointer, KernelMemory)) or path.user or _struct(path) != "struct path":
        raise cx.error(f"full_path takes a struct path or a struct dentry *, not {describe(path)}")
    # Both members by one read, and as numbers to calculate with, whoever gave the path.
    place = KernelMemory(path.address(cx), 0, cx.type_of("struct path"))
    return _Path(place.attribute(cx, "dentry").op, place.attribute(cx, "mnt").op)


def _struct(path: KernelPointer | KernelMemory) -> str:
    return str((path.target if isinstance(path, KernelPointer) else path.type).resolve().key)


def _number(cx: Context, found: KernelPointer) -> Op:
    """An address as a number: the verifier doesn't let a program calculate with what it follows."""
    if found.access != DIRECT:
        return found.op
    kept, number = cx.build.slot(8, "kept"), cx.build.slot(8, "number")
    cx.build.store(kept, 0, 8, found.op)
    cx.read_kernel(number, 8, kept)
    return cx.build.load(number, 0, 8)


class _Path(Unsized):
    """The path of `dentry`, in the mount whose `struct vfsmount` is at `mnt`, or in its file system alone."""

    def __init__(self, dentry: Op, mnt: Op | None) -> None:
        self.dentry = dentry
        self.mnt = mnt
        self.parts = (dentry,) if mnt is None else (dentry, mnt)

    def describe(self) -> str:
        return "the path of a file"

    def rebuild(self, parts: Any) -> _Path:
        return _Path(parts[0], None if self.mnt is None else parts[1])

    def read_into(self, cx: Context, into: Memory, size: int) -> Op:
        if into.event is None or into.event.layout.size > _START or size < 8:
            raise cx.error(
                "a path is put together behind an event of at most"
                f" {_START} bytes: set a text of 8 bytes or more of what events.reserve() gave"
            )
        return _Walk(cx, into.base).run(self, into, size)


class _Walk:
    """The code of one walk; `base` is the event's memory.

    A step puts one name in front of those that are there, or goes from the root of a mount to where that is
    mounted. Both are done by the same instructions: with two ways through a step, the verifier would have to
    follow each way through all steps. `mask` is all ones for a name, and 0 for a mount.
    """

    def __init__(self, cx: Context, base: Op) -> None:
        self.cx = cx
        self.base = base
        self.dentry, self.mount, self.length, self.left = map(Local, ("dentry", "mount", "length", "left"))

    def run(self, path: _Path, into: Memory, size: int) -> Op:
        build = self.cx.build
        build.set(self.dentry, path.dentry)
        build.set(self.length, build.const(0))
        build.set(self.left, build.const(_STEPS))
        loop, whole, cut, end = (build.new_block(name) for name in ("step", "whole", "cut", "path"))
        mounts = None if path.mnt is None else _Mounts(self.cx)
        if mounts is not None and path.mnt is not None:
            build.set(self.mount, build.alu("sub", path.mnt, build.const(mounts.offset)))
            self._read(self._at(0), build.const(mounts.span), mounts.source(build.get(self.mount)))
        build.branch("eq", path.dentry, build.const(0), end, loop)
        build.enter(loop)
        self._step(loop, whole, cut, mounts)
        build.enter(whole)
        self._root(end)
        build.enter(cut)
        self._put(_MORE, 3)
        build.jump(end)
        build.enter(end)
        return self._copy(into, size)

    def _step(self, loop: Block, whole: Block, cut: Block, mounts: _Mounts | None) -> None:
        cx, build = self.cx, self.cx.build
        dentry = build.get(self.dentry)
        entry = KernelMemory(dentry, 0, cx.type_of("struct dentry"))
        parent = entry.attribute(cx, "d_parent").op
        name = entry.attribute(cx, "d_name")
        size = build.alu("and", name.attribute(cx, "len").op, build.const(_LONGEST_NAME))
        source = name.attribute(cx, "name").op
        # 0 at the top: of the file system, or of all mounts.
        above = build.alu("xor", dentry, parent)
        longer = build.alu("add", size, build.const(1))
        if mounts is not None:
            root, up, point = (build.load(self.base, _START + at, 8) for at in mounts.members)
            mask = _mask(build, build.alu("xor", dentry, root))
            above = _select(build, mask, above, build.alu("xor", up, build.get(self.mount)))
            parent = _select(build, mask, parent, point)
            source = _select(build, mask, source, mounts.source(up))
            longer = build.alu("and", longer, mask)
            size = _select(build, mask, size, build.const(mounts.span))
            build.set(self.mount, _select(build, mask, build.get(self.mount), up))
        now = build.alu("add", build.get(self.length), longer)
        more, fits, deeper = (build.new_block(word) for word in ("more", "fits", "deeper"))
        build.branch("eq", above, build.const(0), whole, more)
        build.enter(more)
        build.branch("gt", now, build.const(_ROOM - _MOUNT - 3), cut, fits)
        build.enter(fits)
        left = build.alu("sub", build.get(self.left), build.const(1))
        build.branch("eq", left, build.const(0), cut, deeper)
        build.enter(deeper)
        # A path begins with a slash already where a mount is passed.
        build.store(self._front(now), _START, 1, build.const(ord("/")))
        where = build.alu("add", build.alu("sub", build.const(_ROOM), now), build.const(1))
        if mounts is not None:
            where = build.alu("and", where, mask)
        name_at = build.address(build.alu("add", self.base, _bounded(build, where)), _START)
        self._read(name_at, build.alu("and", size, build.const(_LONGEST_NAME)), source)
        for local, value in ((self.left, left), (self.length, now), (self.dentry, parent)):
            build.set(local, value)
        build.jump(loop)

    def _root(self, end: Block) -> None:
        """The root itself is a slash."""
        build = self.cx.build
        empty = build.new_block("root")
        build.branch("eq", build.get(self.length), build.const(0), empty, end)
        build.enter(empty)
        self._put(ord("/"), 1)
        build.jump(end)

    def _put(self, text: int, size: int) -> None:
        """Put a few letters in front."""
        build = self.cx.build
        now = build.alu("add", build.get(self.length), build.const(size))
        at = self._front(now)
        for index in range(size):
            build.store(at, _START + index, 1, build.const(text >> index * 8 & 0xFF))
        build.set(self.length, now)

    def _front(self, length: Op) -> Op:
        """Where a path of that length begins; `_START` is still to be added."""
        build = self.cx.build
        return build.alu("add", self.base, _bounded(build, build.alu("sub", build.const(_ROOM), length)))

    def _at(self, offset: int) -> Op:
        return self.cx.build.address(self.base, _START + offset)

    def _read(self, into: Op, size: Op, source: Op) -> None:
        self.cx.build.call(self.cx.helper("probe_read_kernel", "probe_read"), into, size, source)

    def _copy(self, into: Memory, size: int) -> Op:
        """Copy the path to where it belongs; how many bytes it takes, with its NUL."""
        build = self.cx.build
        long, fits = build.new_block("long"), build.new_block("copy")
        build.branch("ge", build.get(self.length), build.const(size), long, fits)
        build.enter(long)
        build.set(self.length, build.const(size - 4))
        self._put(_MORE, 3)
        build.jump(fits)
        build.enter(fits)
        length = build.get(self.length)
        place = into.address(self.cx)
        self._read(place, _bounded(build, length), build.address(self._front(length), _START))
        build.store(build.alu("add", place, _bounded(build, length)), 0, 1, build.const(0))
        return build.alu("add", length, build.const(1))


class _Mounts:
    """What is read of a `struct mount` at once, to the start of the room: from `low`, `span` bytes."""

    def __init__(self, cx: Context) -> None:
        self.cx = cx
        type = cx.type_of("struct mount").resolve()
        self.offset: int = cx.field_of(type, "mnt").offset
        places = [cx.field_of(type, name).offset for name in ("mnt.mnt_root", "mnt_parent", "mnt_mountpoint")]
        self.low: int = min(places)
        self.span: int = max(places) + 8 - self.low
        # Where its root, the mount above it and what it is mounted on lie then.
        self.members = [place - self.low for place in places]
        if self.span > _MOUNT:
            raise cx.error(f"struct mount of {cx.target.name} has its members too far apart for a full path")

    def source(self, mount: Op) -> Op:
        return self.cx.build.address(mount, self.low)


def _bounded(build: Builder, value: Op) -> Op:
    """A number that is at most `_ROOM`; so the verifier sees it, which forgets bounds of what is spilled."""
    return build.alu("and", value, build.const(_ROOM))


def _mask(build: Builder, value: Op) -> Op:
    """All ones, or 0 if the value is 0."""
    negative = build.alu("sub", build.const(0), value)
    return build.alu("arsh", build.alu("or", value, negative), build.const(63))


def _select(build: Builder, mask: Op, a: Op, b: Op) -> Op:
    """`a` where the mask has ones, `b` where it has zeros."""
    return build.alu("xor", b, build.alu("and", build.alu("xor", a, b), mask))
