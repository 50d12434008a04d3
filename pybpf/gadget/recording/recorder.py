"""Writing a recording."""

from __future__ import annotations

import json
import os
import struct
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from pybpf import __version__
from pybpf.errors import BpfError
from pybpf.events import Loss
from pybpf.events.pack import packer
from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import Shown
from pybpf.gadget.programs import Program
from pybpf.gadget.recording import chunks
from pybpf.gadget.recording.chunks import chunk
from pybpf.gadget.recording.layout import as_json
from pybpf.spec import Struct

__all__ = ["Recorder"]

_CLOCK = struct.Struct("<qq")


class Recorder:
    """Writes events into a new file, from `with` to its end.

    `fields` are those of the events: what they mean on this machine alone is kept beside them. The file comes
    into being with its description inside, for its owner alone (mode 0600). Raises BpfError when there is
    something of its name, be it a link, and when it can't be written.
    """

    def __init__(
        self, path: str, program: Program, layout: Struct, fields: Sequence[Shown], clock: Clock
    ) -> None:
        self._path = path
        self._clock = clock
        self._state = (0, 0)
        self._pack = packer(layout)
        self._local = [shown for shown in fields if shown.local]
        self._names: dict[str, dict[str, str | None]] = {shown.path: {} for shown in self._local}
        self._shown = 0
        self._lost: dict[int, int] = {}
        self._file = self._create(chunks.MAGIC + _json(chunks.HEADER, self._description(program, layout)))

    def _description(self, program: Program, layout: Struct) -> dict[str, Any]:
        system = os.uname()
        return {
            "version": 1,
            "pybpf": __version__,
            "program": program.name,
            "columns": [[column.header, column.field] for column in program.gadget.columns],
            "kernel": {"system": system.sysname, "release": system.release, "version": system.version},
            "machine": system.machine,
            "begun": time.time_ns(),
            "layout": as_json(layout),
            "local": [[shown.path, shown.source, shown.optional] for shown in self._local],
        }

    def _create(self, head: bytes) -> Any:
        """A file that appears under its name when its head is written, and only if nothing is there."""
        folder, name = os.path.split(self._path)
        try:
            fd, hidden = tempfile.mkstemp(prefix=f".{name}.", dir=folder or ".")
            file = open(fd, "wb")  # noqa: SIM115
            try:
                file.write(head)
                file.flush()
                os.link(hidden, self._path, follow_symlinks=False)
            except BaseException:
                file.close()
                raise
            finally:
                os.unlink(hidden)
        except FileExistsError:
            raise BpfError(f"{self._path}: there is such a file: remove it, or choose another name") from None
        except OSError as error:
            raise self._failed(error) from error
        return file

    def batch(self, events: Sequence[tuple[Any, ...]]) -> None:
        """Write decoded events."""
        if not events:
            return
        parts = self._meaning(events)
        parts += [chunk(chunks.EVENT, record) for record in map(self._pack, events)]
        self._shown += len(events)
        self._write(b"".join(parts))

    def lost(self, losses: Sequence[Loss]) -> None:
        """Write that events were lost."""
        self._lost.update((loss.cpu, loss.total) for loss in losses)
        self._write(_json(chunks.LOST, [list(loss) for loss in losses]))

    def _meaning(self, events: Sequence[tuple[Any, ...]]) -> list[bytes]:
        """What has changed of the clock, and of names, since the last batch."""
        parts = []
        if self._clock.state != self._state:
            self._state = self._clock.state
            parts.append(chunk(chunks.CLOCK, _CLOCK.pack(*self._state)))
        changed: dict[str, dict[str, str | None]] = {}
        for shown in self._local:
            assert shown.text is not None
            known, source = self._names[shown.path], shown.source
            for value in {event[source] for event in events}:
                if shown.lasting and str(value) in known:
                    continue
                text = shown.text(value)
                if known.get(str(value), "") != text or str(value) not in known:
                    known[str(value)] = text
                    changed.setdefault(shown.path, {})[str(value)] = text
        return [*parts, _json(chunks.NAMES, changed)] if changed else parts

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> BpfError:
        return BpfError(f"{self._path} can't be recorded into: {error.strerror}")

    def close(self) -> None:
        """Write the end."""
        if not self._file.closed:
            with self._file:
                self._write(_json(chunks.END, {"shown": self._shown, "lost": self._lost}))

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _json(kind: int, value: Any) -> bytes:
    return chunk(kind, json.dumps(value, sort_keys=True).encode())
