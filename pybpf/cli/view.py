"""What a command line asks to be shown of events: which of them, what of each, in which form."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

from pybpf.errors import UsageError
from pybpf.gadget.fields import Shown
from pybpf.gadget.gadget import Column
from pybpf.gadget.output import form_of
from pybpf.gadget.output.form import Form
from pybpf.gadget.select import Selection, find, select
from pybpf.spec import Struct

if TYPE_CHECKING:
    from pybpf.gadget.conditions import Condition

__all__ = ["View", "view_of"]

# What a summary tells apart, as far as events have it.
_BY = ("op", "proc.comm")


Batch = Sequence[tuple[Any, ...]]
# Leaves out some of the events of a batch.
Keep = Callable[[Batch], Batch]


class View(NamedTuple):
    """A form of output, and the conditions of the events that are shown in it."""

    form: Form
    conditions: Sequence[Condition]
    meets: Keep | None

    @property
    def filters(self) -> bool:
        """Are some events left out?"""
        return bool(self.conditions or self.meets)

    def keep(self, batch: Batch) -> Batch:
        """Those events of a batch that are shown."""
        if self.conditions:
            from pybpf.gadget.conditions import keep

            batch = keep(self.conditions, batch)
        return self.meets(batch) if self.meets else batch


def view_of(
    args: argparse.Namespace,
    layout: Struct,
    columns: Iterable[Column],
    known: Sequence[Shown],
    room: int | None,
) -> View:
    """The view of events of a layout with these fields; `room` is the terminal's width. Raises UsageError."""
    _check(args, room)
    if args.summary:
        form = _summary(args, known, room)
    else:
        form = form_of(args.output, layout, select(known, tuple(columns), args.fields), room)
        if args.sort:
            from pybpf.gadget.output.gathered import Sorted
            from pybpf.gadget.output.order import keys

            form = Sorted(form, keys(args.sort, known), args.top)
    conditions: Sequence[Condition] = ()
    meets = None
    if args.filter:
        from pybpf.gadget.conditions import parse

        conditions = parse(args.filter, known)
    if args.filter_expr:
        from pybpf.gadget.expression import expression

        meets = expression(args.filter_expr, known)
    return View(form, conditions, meets)


def _check(args: argparse.Namespace, room: int | None) -> None:
    """Whether the options go together."""
    if args.output == "raw" and room is not None:
        raise UsageError("-o raw is not for a terminal: send it to a file, or to a program")
    if args.output == "raw" and args.fields:
        raise UsageError("-o raw has whole records: --fields goes with all other forms")
    gathered = args.sort or args.summary
    if args.top and not gathered:
        raise UsageError("--top needs an order: --sort -FIELD, for the greatest first; or --summary")
    if getattr(args, "interval", None) and not gathered:
        raise UsageError("--interval is about what is held back: it goes with --sort, --summary or --hist")
    if args.by and not args.summary:
        raise UsageError("--by says what --summary tells apart: it goes with that")
    if args.summary and args.fields:
        raise UsageError("--fields is about events, and --summary shows none: it takes --by")
    if args.summary and args.output == "raw":
        raise UsageError("-o raw is for records of events, and --summary shows none")


def _summary(args: argparse.Namespace, known: Sequence[Shown], room: int | None) -> Form:
    from pybpf.gadget.output.order import keys
    from pybpf.gadget.output.summary import Summary, measure, row_fields

    if args.by:
        by = [each for word in args.by.split(",") for each in find(word.strip(), known, "--by: ")]
    else:
        by = [each for each in known if each.path in _BY]
    value = measure(known)
    rows = row_fields(by, value)
    headers = [(each.path.rpartition(".")[2].upper(), each) for each in rows]
    layout = Struct("Summary", [])
    form = form_of(args.output, layout, Selection(tuple(headers), tuple(rows)), room)
    order = args.sort or ("-count" if value is None else f"-total_{value.path.rpartition('_')[2]}")
    return Summary(form, by, value, keys(order, rows), args.top)
