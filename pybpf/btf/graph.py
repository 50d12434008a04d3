"""A BTF as a whole: its types by number and by name, found without decoding the others."""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pybpf.btf import declare
from pybpf.btf.format import KINDS, Header, Steps, native_words
from pybpf.btf.types import Type
from pybpf.errors import BtfError, TypeNotFound, near_names

__all__ = ["Btf"]

_STRUCTS = {"struct": ("struct",), "union": ("union",), "enum": ("enum", "enum64")}
_PLAIN = ("typedef", "int", "float")
# Words that are stepped over at a time in search of a type's number: some 500 types.
_STRIDE = 4096

# From here on a walk takes longer than to load an index of all: some 20,000 types.
_LONG = 1 << 17

# Of so many types the names are looked at to tell whether all are sorted.
_SAMPLE = 256

_PTR = KINDS.index("ptr") << 24


def _mask(kinds: Sequence[str]) -> int:
    return sum(1 << KINDS.index(kind) for kind in kinds)


class Btf:
    """The types of a kernel, a module or an object, from its bytes.

    `btf["struct file"]`, `btf["u64"]`, `btf.type("struct dentry *")`, `btf.function("vfs_read")`. A split
    BTF (a module's) has a `base` and sees its types. Nothing is decoded before it is asked for: opening
    costs nothing, a name is found by a search of the bytes, and the types before it are stepped over once.
    """

    def __init__(self, data: bytes, base: Btf | None = None, name: str = "", index: bool = False) -> None:
        """Raises `BtfError` when the header is not sound; damage further on is found when it is met.

        With `index`, where the types start is kept in the user's cache, once that takes long to find.
        """
        header = Header(data[:32], len(data))
        start, end = header.types
        self.name = name
        self.base = base
        self.byte_order = header.order
        self._data = data
        self._strings = header.strings
        if header.swapped:
            words = native_words(data[start:end], True)
            self.words: Sequence[int] = words
            self._types: bytes = words.tobytes()
            self._span = (0, end - start)
        else:
            self.words = memoryview(data)[start:end].cast("I")
            self._types, self._span = data, (start, end)
        # Where each record starts, as an index of `words`, as far as was walked: to `_walked`.
        self._starts = array("I")
        self._steps = Steps(bytes(data[slice(*header.layout)]))
        self._walked = 0
        self._first = len(base) if base else 1
        self._cache: dict[int, Type] = {}
        self._by_key: dict[str, Type] = {}
        self._pointer_size = 0
        self._index = index
        self._sorted: bool | None = None
        self._asked: set[tuple[int, str]] | None = None

    def __repr__(self) -> str:
        return f"<BTF {self.name or 'of ' + str(len(self._data)) + ' bytes'}>"

    # By number.

    def _walk(self, stop: int) -> None:
        # Step over the records that start before word `stop`. Those that are known (`_starts`) lie within
        # the section; what is not sound is met again by each walk that comes to it.
        if self._index and stop > _LONG:
            self._index = False
            self._walk_by_index()
        words, steps, starts = self.words, self._steps, self._starts
        at, end = self._walked, len(words)
        append = starts.append
        message = ""
        try:
            while at < stop:
                step = steps[words[at + 1]]
                append(at)
                at += step
        except (BtfError, IndexError) as error:
            message = str(error) if isinstance(error, BtfError) else "the type section ends"
        if at > end:
            message, at = "the type section ends", starts.pop()
        self._walked = at
        if message:
            id = self._first + len(starts)
            raise BtfError(f"damaged BTF: {message} in type #{id}", self._span[0] + 4 * at)

    def _walk_by_index(self) -> None:
        from pybpf.btf import index

        found = index.load(self._data)
        if found and found[-1] < len(self.words):
            self._starts, self._walked = found, len(self.words)
        else:
            self._walk(len(self.words))
            index.save(self._data, self._starts)

    def __len__(self) -> int:
        """The number of types, void and those of the base included: one more than the last id."""
        self._walk(len(self.words))
        return self._first + len(self._starts)

    def __iter__(self) -> Iterator[Type]:
        """All types of this BTF itself in the order of their ids; without void, without the base's."""
        for id in range(self._first, len(self)):
            yield self.by_id(id)

    def by_id(self, id: int) -> Type:
        """The type of that number; raises `BtfError` when there is none."""
        found = self._cache.get(id)
        if found is not None:
            return found
        if self.base is not None and 0 <= id < self._first:
            return self.base.by_id(id)
        if id == 0:
            found = Type(self, 0, (0, 0, 0), 0)
        else:
            index = id - self._first
            while index >= len(self._starts):
                if self._walked == len(self.words):
                    raise BtfError(f"damaged BTF: no type #{id} among {len(self)}")
                self._walk(min(self._walked + _STRIDE, len(self.words)))
            found = Type(self, id, self.words, self._starts[index])
        self._cache[id] = found
        return found

    # By name.

    def string(self, offset: int) -> str:
        """The string at `offset` of the string section (of the base's and this, when split)."""
        if offset == 0:
            return ""
        start, end = self._strings
        if self.base is not None:
            below = self.base.strings_size
            if offset < below:
                return self.base.string(offset)
            offset -= below
        start += offset
        stop = self._data.find(b"\0", start, end)
        if stop < 0:
            raise BtfError(f"damaged BTF: no string at {offset:#x} of the string section")
        return self._data[start:stop].decode("utf-8", "surrogateescape")

    def strings(self) -> list[str]:
        """All strings of this BTF itself, in their order; the first is the empty one."""
        start, end = self._strings
        raw = bytes(self._data[start:end]).split(b"\0")[:-1]
        return [text.decode("utf-8", "surrogateescape") for text in raw]

    @property
    def strings_size(self) -> int:
        """Bytes of the string section, with the base's."""
        start, end = self._strings
        return end - start + (self.base.strings_size if self.base is not None else 0)

    def _string_offsets(self, name: bytes, whole: bool) -> Iterator[int]:
        # Where `name` is a whole string, or else the end of another (which some linkers share).
        start, end = self._strings
        below = self.base.strings_size if self.base is not None else 0
        at = self._data.find(name + b"\0", start, end)
        while at >= 0:
            if (at == start or self._data[at - 1] == 0) == whole:
                yield at - start + below
            at = self._data.find(name + b"\0", at + 1, end)
        if self.base is not None:
            yield from self.base._string_offsets(name, whole)

    def _named(self, name: str, kinds: Sequence[str]) -> Iterator[Type]:
        """Types of this BTF itself of that name. Lazy: the first is found without looking at the rest."""
        mask = _mask(kinds)
        raw = name.encode("utf-8", "surrogateescape")
        if raw and self._is_sorted():
            yield from self._named_among_sorted(raw, mask)
            return
        found = False
        for offset in self._string_offsets(raw, whole=True):
            for id in self._holding((offset,), 0, mask):
                found = True
                yield self.by_id(id)
        tails = () if found else frozenset(self._string_offsets(raw, whole=False))
        if tails:
            for id in self._ids_of_any(tails, mask):
                yield self.by_id(id)

    def _is_sorted(self) -> bool:
        # Since Linux 7.0 a kernel's types are in the order of their names, those without first. Once all are
        # stepped over, a sample tells.
        if self._sorted is None and self._walked == len(self.words):
            sample = [self._name_at(at) for at in self._starts[:: len(self._starts) // _SAMPLE + 1]]
            self._sorted = len(sample) > _SAMPLE // 2 and sample == sorted(sample)
        return bool(self._sorted)

    def _name_at(self, place: int) -> bytes:
        return self.string(self.words[place]).encode("utf-8", "surrogateescape")

    def _named_among_sorted(self, raw: bytes, mask: int) -> Iterator[Type]:
        low, high = 0, len(self._starts)
        while low < high:
            middle = (low + high) // 2
            if self._name_at(self._starts[middle]) < raw:
                low = middle + 1
            else:
                high = middle
        for index in range(low, len(self._starts)):
            at = self._starts[index]
            if self._name_at(at) != raw:
                break
            if mask >> (self.words[at + 1] >> 24 & 0x7F) & 1:
                yield self.by_id(self._first + index)

    def _holding(self, words: Sequence[int], place: int, mask: int) -> Iterator[int]:
        # The ids of the records in which these words stand at `place`. The bytes are searched for them; a hit
        # is a type when a record starts there and its kind is in `mask`.
        start, end = self._span
        raw = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
        at = self._types.find(raw, start, end)
        while at >= 0:
            index, rest = divmod(at - start, 4)
            first = index - place
            if (
                rest == 0
                and 0 <= first < len(self.words) - 1
                and mask >> (self.words[first + 1] >> 24 & 0x7F) & 1
            ):
                id = self._id_at(first)
                if id:
                    yield id
            at = self._types.find(raw, at + 1, end)

    def _ids_of_any(self, offsets: frozenset[int], mask: int) -> Iterator[int]:
        len(self)
        words = self.words
        for index, at in enumerate(self._starts):
            if words[at] in offsets and mask >> (words[at + 1] >> 24 & 0x7F) & 1:
                yield self._first + index

    def _id_at(self, index: int) -> int:
        # The id of the record that starts at this word, 0 when none does.
        if index >= self._walked:
            self._walk(index + 1)
        place = bisect_left(self._starts, index)
        found = place < len(self._starts) and self._starts[place] == index
        return self._first + place if found else 0

    def all(self, key: str) -> Iterator[Type]:
        """All types that `btf[key]` could mean, this BTF's before its base's; whole ones before `fwd`."""
        name, kinds = _parse_key(key)
        layers = [self] if self.base is None else [self, self.base]
        for btf in layers:
            yield from btf._named(name, kinds)
        if kinds[0] in ("struct", "union"):
            for btf in layers:
                yield from (fwd for fwd in btf._named(name, ("fwd",)) if fwd.flag == (kinds[0] == "union"))

    def __getitem__(self, key: str) -> Type:
        """`struct X`, `union X`, `enum X`, or the name of a typedef or base type; raises `TypeNotFound`.

        Of several, the first; one that is only declared (`fwd`) if there is no other.
        """
        found = self._by_key.get(key)
        if found is None:
            if key == "void":
                return self.by_id(0)
            found = next(self.all(key), None)
            if found is None:
                raise TypeNotFound(key, self._near(key))
            self._by_key[key] = found
        self.asked(found)
        return found

    def __contains__(self, key: str) -> bool:
        return key == "void" or key in self._by_key or next(self.all(key), None) is not None

    def type(self, declaration: str) -> Type:
        """The type of a C declaration: `struct dentry *`, `const char *`, `loff_t`.

        A pointer or qualified type that the BTF does not hold is made up; its id is -1.
        """
        base, around = declare.split(declaration)
        found = self[base]
        for word in around:
            found = self._around(found, word)
        return found

    def _around(self, target: Type, word: str) -> Type:
        info = _PTR if word == "*" else KINDS.index(word) << 24
        key = f"{word} {target.key} #{target.id}"
        found = self._by_key.get(key)
        if found is None:
            record = (0, info, target.id)
            at = -1 if target.id < 0 else self._find_record(record)
            found = self.by_id(at) if at > 0 else Type(self, -1, record, 0, target)
            self._by_key[key] = found
        return found

    def _find_record(self, record: tuple[int, int, int]) -> int:
        # The id of the type that is just these words, -1 when there is none.
        base = self.base._find_record(record) if self.base is not None else -1
        return next(self._holding(record, 0, 1 << (record[1] >> 24)), base)

    def functions(self, name: str) -> Iterator[Type]:
        """The `func` types of that name, this BTF's before its base's."""
        yield from self._named(name, ("func",))
        if self.base is not None:
            yield from self.base.functions(name)

    def function(self, name: str) -> Type:
        """The prototype (`func_proto`) of the function `name`; raises `TypeNotFound`."""
        func = next(self.functions(name), None)
        if func is None:
            raise TypeNotFound(f"{name}()", near_names(name, self._names(("func",))))
        self.asked(func)
        return func.target

    def tags(self, type: Type) -> Iterator[Type]:
        """The `decl_tag` types on a type of this BTF, its members (`component`) or parameters."""
        info = KINDS.index("decl_tag") << 24
        for word in (info, info | 1 << 31):
            for id in self._holding((word, type.id), 1, _mask(("decl_tag",))):
                yield self.by_id(id)

    def _near(self, key: str) -> list[str]:
        # Keys that may have been meant: the bare name with another keyword first, then names like it.
        name, kinds = _parse_key(key)
        other = [found.key for word in (*_STRUCTS, "") for found in self.all(f"{word} {name}".strip())]
        if other:
            return sorted(set(other))
        prefix = kinds[0] + " " if kinds[0] in _STRUCTS else ""
        return [prefix + near for near in near_names(name, self._names(kinds))]

    def _names(self, kinds: Sequence[str]) -> set[str]:
        len(self)
        mask, words = _mask(kinds), self.words
        names = {self.string(words[at]) for at in self._starts if mask >> (words[at + 1] >> 24 & 0x7F) & 1}
        return names | (self.base._names(kinds) if self.base is not None else set())

    # What a lowering asked.

    def asked(self, type: Type, path: str = "") -> None:
        """Note that someone depends on `type`, and on the field at `path` (`*`: on all its members)."""
        if self._asked is not None:
            self._asked.add((type.id, path))

    @contextmanager
    def recording(self) -> Iterator[set[tuple[int, str]]]:
        """Collects the (type id, field path) of all that is asked inside `with`: what `extract` keeps."""
        layers = [self] if self.base is None else [self, self.base]
        before = [btf._asked for btf in layers]
        asked: set[tuple[int, str]] = set()
        for btf in layers:
            btf._asked = asked
        try:
            yield asked
        finally:
            for btf, outer in zip(layers, before):
                btf._asked = outer
                if outer is not None:
                    outer |= asked

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer: those of this BTF's `unsigned long`, 8 when it has none."""
        if not self._pointer_size:
            long = next(self._named("long unsigned int", ("int",)), None)
            base = self.base.pointer_size if self.base is not None else 8
            self._pointer_size = long.size if long is not None and long.size in (4, 8) else base
        return self._pointer_size


def _parse_key(key: str) -> tuple[str, tuple[str, ...]]:
    word, _, name = key.partition(" ")
    if word in _STRUCTS and name:
        return name.strip(), _STRUCTS[word]
    return declare.base_name(key), _PLAIN
