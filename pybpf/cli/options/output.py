"""What is shown, and in which form."""

from __future__ import annotations

from pybpf.cli.arguments import Parser, choice, count
from pybpf.gadget.output import FORMS

__all__ = ["add"]


def add(parser: Parser) -> None:
    """Let a command take the options of this group."""
    group = parser.add_argument_group("output")
    forms = ", ".join(f"{name} ({what})" for name, what in FORMS.items())
    group.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        type=choice(*FORMS),
        default="columns",
        help=f"{forms} (default: columns)",
    )
    group.add_argument(
        "--fields",
        metavar="NAMES",
        default="",
        help="a,b: these alone; +c: one more; -d: one less; a name stands for all below"
        " it (`proc`); `pybpf inspect PROGRAM --show schema` shows all",
    )
    group.add_argument(
        "--filter",
        metavar="CONDITIONS",
        default="",
        help="only events that meet all of them: 'delta_us>5000,proc.comm~^pg'; each has one of == != > >= <"
        r" <= ~ !~, and `\,` is a comma in a value",
    )
    group.add_argument(
        "--filter-expr",
        metavar="EXPRESSION",
        default="",
        help='only events for which this is true: \'delta_us > 5000 or proc.comm in ("pg", "sh")\'; needs'
        " simpleeval (pip install pybpf[expr])",
    )
    group.add_argument(
        "--sort",
        metavar="FIELDS",
        default="",
        help="hold events back, and show them in this order: op,-delta_us; - is for the greatest first",
    )
    group.add_argument("--top", metavar="N", type=count, help="of those that are in order, only the first")
    group.add_argument(
        "--summary",
        action="store_true",
        help="in place of events, how many there were of each kind, and how long they took: in total, at"
        " most, and half (p50) and 99 of 100 of them at most, which is up to 1 %% less than it was",
    )
    group.add_argument(
        "--by", metavar="FIELDS", default="", help="what a summary tells apart (default: op,proc.comm)"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="only output, warnings and errors")
