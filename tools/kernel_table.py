#!/usr/bin/env python3
"""What works on which kernel, by the outcomes of kernel tests that tools/test has left.

tools/kernel_table.py            print the table
tools/kernel_table.py --write    put it into tests/README.md
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["NATIVE", "OUTCOMES", "folder", "text"]

REPO = Path(__file__).resolve().parent.parent
README = REPO / "tests" / "README.md"
BEGIN, END = "<!-- tools/kernel_table.py --write -->\n", "<!-- end -->\n"
NATIVE, OUTCOMES = "here", "outcomes.json"

# Of what a test is the proof: the group, and the row in it, which a name in the test's own name may be.
_LINK = r"test_link_\w+\.py::"
_ANY = r"\[(?P<row>[^\]]+)\]"
PROOFS = [
    ("attach", r"test_link\.py::test_it_runs\w+\[(?P<row>kprobe|kretprobe)-", ""),
    ("attach", _LINK + r"test_(?:it_runs\w+|packets)" + _ANY, ""),
    ("attach", _LINK + "test_samples", "perf_event"),
    ("attach", _LINK + "test_control_groups", "cgroup"),
    ("attach", _LINK + "test_an_iterator_of_tasks", "iter"),
    ("attach", _LINK + "test_netfilter", "netfilter"),
    ("attach", _LINK + "test_a_security_hook_decides", "lsm"),
    ("attach", _LINK + "test_a_security_hook_may_sleep", "lsm, sleepable"),
    ("attach", _LINK + "test_a_result_is_changed", "fmod_ret"),
    ("attach", r"test_usdt\.py::test_arguments\[perf", "usdt"),
    ("attach", r"test_usdt\.py::test_arguments\[uprobe.multi", "usdt by uprobe.multi"),
    ("attach", r"test_usdt\.py::test_other_back_ends_of_uprobes\[uprobe-multi", "uprobe by uprobe.multi"),
    ("attach", r"test_usdt\.py::test_other_back_ends_of_uprobes\[uprobe-tracefs", "uprobe by tracefs"),
    ("cookie", _LINK + r"test_a_program_gets_its_cookie" + _ANY, ""),
    ("back-end", r"test_backends\.py::test_the_same_events_by_each" + _ANY, ""),
    ("buffer", r"test_trace_fsslower\.py::test_one_of_each" + _ANY, ""),
    ("file system", r"test_filesystems\.py::test_each_operation" + _ANY, ""),
    ("program", r"test_(?P<row>trace_fsslower)\.py::", ""),
    ("program", r"test_programs\.py::TestExec", "trace_exec"),
    ("program", r"test_programs\.py::TestOpen", "trace_open"),
    ("program", r"test_programs\.py::TestTcpConnect", "trace_tcpconnect"),
    ("program", r"test_programs\.py::test_readline", "trace_readline"),
    ("program", r"test_programs\.py::test_block_requests", "hist_blockio"),
    ("program", r"test_programs\.py::TestProfile", "profile_cpu"),
]

Row = tuple[str, str]


def folder(kernel: str) -> Path:
    """Where the tests of a kernel leave their outcomes."""
    return REPO / ".cache" / "test" / kernel


def text(kernels: list[str]) -> str:
    """The table of these kernels, as Markdown; why something is missing stands below it."""
    found = {kernel: _read(kernel) for kernel in sorted(kernels, key=_order)}
    order = {group: number for number, (group, _, _) in reversed(list(enumerate(PROOFS)))}
    rows = sorted(
        {row for _, cells in found.values() for row in cells}, key=lambda row: (order[row[0]], row[1])
    )
    lines = [["", "", *(f"{kernel} ({release})" for kernel, (release, _) in found.items())]]
    lines += [[*row, *(_cell(cells.get(row, [])) for _, cells in found.values())] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    lines.insert(1, ["-" * width for width in widths])
    shown = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in lines]
    reasons: dict[str, list[str]] = {}
    for kernel, (_, cells) in found.items():
        for row, outcomes in cells.items():
            if _cell(outcomes) == "-":
                why = re.sub(r"^Skipped: |[;:] .*", "", outcomes[0])
                reasons.setdefault(f"{why} ({kernel})", []).append(" ".join(row))
    notes = [f"- {', '.join(names)}: {why}" for why, names in reasons.items()]
    return "\n".join([f"| {line.rstrip()} |" for line in shown] + ["", *notes])


def _read(kernel: str) -> tuple[str, dict[Row, list[str]]]:
    """The release of a kernel, and the outcomes of what proves each row."""
    try:
        found: dict[str, Any] = json.loads((folder(kernel) / OUTCOMES).read_text())
    except FileNotFoundError:
        return "no outcomes", {}
    cells: dict[Row, list[str]] = {}
    for test, outcome in found["outcomes"].items():
        for group, pattern, name in PROOFS:
            proof = re.search(pattern, test)
            if proof:
                cells.setdefault((group, name or proof["row"]), []).append(outcome)
    return found["release"].split("-")[0], cells


def _cell(outcomes: list[str]) -> str:
    if "failed" in outcomes:
        return "FAILS"
    return "works" if "passed" in outcomes else "-" if outcomes else ""


def _order(kernel: str) -> list[int]:
    return [int(number) for number in re.findall("[0-9]+", kernel)] or [1000]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/kernel_table.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    table = text([path.parent.name for path in folder("").glob(f"*/{OUTCOMES}")])
    if not args.write:
        print(table)
        return 0
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(f"{before}{BEGIN}\n{table}\n\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
