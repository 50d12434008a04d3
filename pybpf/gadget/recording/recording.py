"""Reading a recording: as a source of events, with the names and the clock that they had."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Optional

from pybpf.errors import BpfError
from pybpf.events import Decoder, Ends, Loss
from pybpf.events.records import Records
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import Shown, fields
from pybpf.gadget.gadget import Column, column
from pybpf.gadget.recording import chunks
from pybpf.gadget.recording.chunks import Chunk, Damage, read
from pybpf.gadget.recording.layout import from_json
from pybpf.gadget.text import escape
from pybpf.spec import CString, Struct

__all__ = ["Recording"]

_CLOCK = struct.Struct("<qq")
_WRONG = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, ArithmeticError)

Names = dict[str, Optional[str]]


class Recording:
    """A file that Recorder wrote, from `with` to its end. Raises BpfError when it's none.

    `damage` says what could not be read, as far as `batches` has come, which goes on behind it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.shown = 0
        self.lost_by_cpu: dict[int, int] = {}
        self.clock = Clock()
        self._damaged: list[Damage] = []
        self._read = self._ended = False
        try:
            self._file = open(path, "rb")  # noqa: SIM115
        except OSError as error:
            raise BpfError(f"{path}: {error.strerror}") from error
        try:
            self._describe(self._begin())
        except BaseException:
            self._file.close()
            raise

    def _begin(self) -> Any:
        """The description at the beginning of the file."""
        try:
            if self._file.read(len(chunks.MAGIC)) != chunks.MAGIC:
                raise BpfError(f"{self.path} is no recording: `pybpf run PROGRAM --record FILE` makes one")
        except OSError as error:
            raise BpfError(f"{self.path}: {error.strerror}") from error
        self._found = read(self._file, len(chunks.MAGIC))
        first = next(self._found, None)
        if not isinstance(first, Chunk) or first.kind != chunks.HEADER:
            raise BpfError(f"{self.path} is damaged where it says what is in it: nothing can be shown")
        return first.data

    def _describe(self, data: bytes) -> None:
        try:
            header = json.loads(data)
            if header["version"] != 1:
                raise BpfError(f"{self.path} is of another version of pybpf: {str(header['pybpf'])!r}")
            self.program = str(header["program"])
            self.kernel = f"{header['kernel']['system']} {header['kernel']['release']} ({header['machine']})"
            self.begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(header["begun"] // 10**9))
            self.columns: list[Column] = [
                column(f"{field}:{escape(head)}") for head, field in header["columns"]
            ]
            self.layout: Struct = from_json(header["layout"])
            self._names: dict[str, Names] = {}
            self.fields = self._fields(header["local"])
        except _WRONG as error:
            raise BpfError(f"{self.path} says what is in it in a way that makes no sense: {error}") from error

    def _fields(self, local: list[Any]) -> list[Shown]:
        """The layout's fields; what they meant on the machine of the recording is taken from that."""
        found = fields(self.layout, self.clock)
        places = {shown.path: index for index, shown in enumerate(found)}
        own = {field.name for field in self.layout.fields}
        for path, source, optional in local:
            if not 0 <= source < len(list(self.layout.leaves())):
                raise ValueError("a field is made of nothing")
            if path not in places and (
                path.partition(".")[0] in own or path.count(".") != 1 or not path.isascii()
            ):
                raise ValueError("a field lies where it can't")
            names: Names = self._names.setdefault(column(path).field, {})
            text = _text(names, bool(optional))
            if path in places:
                found[places[path]] = found[places[path]]._replace(text=text, lasting=False)
            else:
                found.append(Shown(path, source, CString(64), text, lasting=False, optional=True))
        return found

    @property
    def lost(self) -> int:
        """How many events were lost when it was recorded, until here."""
        return sum(self.lost_by_cpu.values())

    @property
    def damage(self) -> str:
        """What is wrong with the file, for people; empty when nothing is."""
        if self._damaged:
            size = sum(each.size for each in self._damaged)
            where = f"from byte {self._damaged[0].at} on"
            return f"{self.path} is damaged {where} ({size} bytes): what is whole of {self.program} was shown"
        if self._read and not self._ended:
            return f"{self.path} has no end: it was cut, or its tracer was killed; what is there was shown"
        return ""

    def batches(self, **ends: Any) -> Iterator[list[tuple[Any, ...]]]:
        """Decoded events as Stream.batches has them; of its ends `most` and `lost`."""
        end, decode = Ends(**ends), Decoder(self.layout).decode_many
        for found in self._found:
            if not isinstance(found, Records):
                self._note(found, end.lost)
                continue
            for batch in decode([found]):
                if end.most is not None:
                    batch = batch[: end.most - self.shown]
                self.shown += len(batch)
                yield batch
                if self.shown == end.most:
                    return
        self._read = True

    def _note(self, found: Chunk | Damage, lost: Callable[[list[Loss]], object] | None) -> None:
        """Take what isn't an event into account."""
        if isinstance(found, Damage):
            self._damaged.append(found)
            return
        try:
            if found.kind == chunks.CLOCK:
                self.clock.state = _CLOCK.unpack(found.data)
            elif found.kind == chunks.NAMES:
                for path, names in json.loads(found.data).items():
                    texts = ((key, None if text is None else str(text)) for key, text in names.items())
                    self._names[path].update(texts)
            elif found.kind == chunks.LOST:
                losses = [Loss(*map(int, each)) for each in json.loads(found.data)]
                self.lost_by_cpu.update((loss.cpu, loss.total) for loss in losses)
                if lost is not None:
                    lost(losses)
            elif found.kind == chunks.END:
                self._ended = True
        except (*_WRONG, struct.error) as error:
            raise BpfError(f"{self.path} has a part that makes no sense: {error}") from error

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _text(names: Names, optional: bool) -> Callable[[Any], str | None]:
    """The text of a value as it was; of one that nobody noted, its number."""
    if optional:
        return lambda value: names.get(str(value))
    return lambda value: names.get(str(value)) or str(value)
