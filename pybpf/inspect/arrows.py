"""Arrows beside a listing, from each jump to its target."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["gutters"]

# More lanes would push the code off a terminal; a jump that finds none free has no arrow, only its text.
_MOST_LANES = 8


def gutters(jumps: Iterable[tuple[int, int]], rows: int) -> list[str]:
    """What to put before each of `rows` rows so that each jump `(from, to)` has an arrow.

    Jumps to one target share its lane. Short arrows stand nearest to the code; all rows get equal widths.
    """
    spans: dict[int, list[int]] = {}
    for source, target in jumps:
        spans.setdefault(target, [target]).append(source)
    lanes: list[list[tuple[int, int]]] = []
    placed = []
    for target, places in sorted(spans.items(), key=lambda item: (max(item[1]) - min(item[1]), item[0])):
        first, last = min(places), max(places)
        free = (
            lane
            for lane, taken in enumerate(lanes)
            if all(last < start or end < first for start, end in taken)
        )
        lane = next(free, len(lanes))
        if lane == _MOST_LANES:
            continue
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append((first, last))
        placed.append((lane, target, places))
    width = len(lanes)
    if not width:
        return [""] * rows
    grid = [[" "] * (width + 2) for _ in range(rows)]
    for lane, target, places in placed:
        column = width - 1 - lane
        first, last = min(places), max(places)
        for row in range(first, last + 1):
            if row in places:
                corner = "┌" if row == first else "└" if row == last else "├"
                if first == last:
                    corner = "╶"
                _across(grid[row], column, corner, ">" if row == target else "─")
            else:
                _down(grid[row], column)
    return ["".join(row) for row in grid]


def _across(row: list[str], column: int, corner: str, end: str) -> None:
    row[column] = "┼" if row[column] == "─" else corner
    for each in range(column + 1, len(row) - 2):
        row[each] = {"│": "┼", " ": "─", "┌": "┬", "└": "┴", "├": "┼"}.get(row[each], row[each])
    if row[-2] != ">":
        row[-2] = end


def _down(row: list[str], column: int) -> None:
    row[column] = {"─": "┼", " ": "│"}.get(row[column], row[column])
