"""What trace_fsslower shows of a workload, to be compared with what the workload says that it did."""

from __future__ import annotations

import collections
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from pybpf.gadget.clock import Clock
from pybpf.gadget.fields import fields
from pybpf.gadget.output.json import JsonLines
from pybpf.gadget.programs import Program
from pybpf.gadget.session import Session

__all__ = ["Done", "Events", "Traced", "as_done", "trace"]

Events = list[dict[str, Any]]
Done = collections.Counter[tuple[Any, ...]]


class Traced:
    """The events of a session, as JSON has them, when it's over; and what it warned of."""

    def __init__(self) -> None:
        self.attached: list[str] = []
        self.warnings: list[str] = []
        self.events: Events = []
        self.lost = 0

    def short(self) -> Done:
        """What the workload's list has of an event."""
        return collections.Counter(
            (
                event["proc"]["pid"],
                event["proc"]["tid"],
                event["proc"]["comm"],
                event["op"],
                event["file"],
                event["offset"],
                event["size"],
                event["error"],
            )
            for event in self.events
        )


@contextlib.contextmanager
def trace(
    program: Program, *, buffer: str | None = None, strict: bool = True, **values: Any
) -> Iterator[Traced]:
    """Trace a block; every operation, unless `values` of parameters say otherwise."""
    found = Traced()
    given = {"min": 0, **values}
    with Session(program, given, buffer=buffer, strict=strict, warn=found.warnings.append) as session:
        found.attached = session.attached
        yield found
        lines = JsonLines(fields(session.layout, Clock()))
        for batch in session.batches(timeout=0):
            found.events += map(json.loads, lines.lines(batch).splitlines())
        found.lost = session.lost


def as_done(operations: Events) -> Done:
    """The workload's list; a failed operation's size is what it returned, as is any other's."""
    return collections.Counter(
        tuple({**each, "size": -each["error"] if each["error"] else each["size"]}.values())
        for each in operations
    )
