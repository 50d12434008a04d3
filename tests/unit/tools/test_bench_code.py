"""tools/bench code tells the tracers' programs apart by their names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[3] / "tools"))

from bench_code import row_of, told_apart
from code_costs import Cost

QUICK, SHOWN = "exit, too quick to show", "exit with an event"


@pytest.mark.parametrize(
    ("program", "row"),
    [
        ("ig_fssl_read_e", "read, write entry"),
        ("ig_fssl_wr_e", "read, write entry"),
        ("ig_fssl_sync_e", "open, sync, statfs entry"),
        ("ig_fssl_wr_x", QUICK),
        ("write_e", "read, write entry"),
        ("statfs_x", QUICK),
        ("file_write_entr", "read, write entry"),
        ("file_open_entry", "open, sync, statfs entry"),
        ("file_write_exit", QUICK),
        ("kprobe ext4_statfs", "open, sync, statfs entry"),
        ("kretprobe ext4_file_read_", QUICK),
        ("somebody_else", None),
    ],
)
def test_rows(program, row):
    assert row_of(program, shown=False) == row
    assert row_of(program, shown=True) == (SHOWN if row == QUICK else None)


def test_programs_of_one_name():
    found = {"f": Cost(181, 1.0), "f'": Cost(67, 2.0), "g": Cost(1, 3.0)}
    assert told_apart(found) == {"kprobe f": Cost(67, 2.0), "kretprobe f": Cost(181, 1.0), "g": Cost(1, 3.0)}
