"""What was found out of a kernel, as people see it."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pybpf.cli.findings import Style, show, style_of, verdict
from pybpf.features import Feature

PLAIN = Style(("+", "-", "?"), colours=False, columns=60)
WHY = "this kernel's verifier doesn't know it, and nothing can be done about that here"


def test_what_is_the_same_stands_in_one_line() -> None:
    features = [
        Feature("a", "4.1"),
        Feature("limit", "", value="512 bytes"),
        Feature("b", "5.8", WHY),
        Feature("other limit", "", value="512 bytes"),
        Feature("c", "5.1"),
        Feature("d", "6.9", WHY),
        Feature("e", "6.9", "CAP_BPF is missing", known=False),
    ]
    assert show("All", features, PLAIN) == (
        "All\n"
        "  + a, c\n"
        "  + limit             512 bytes\n"
        "  - b (5.8), d (6.9)  this kernel's verifier doesn't know\n"
        "                      it, and nothing can be done about that\n"
        "                      here\n"
        "  + other limit       512 bytes\n"
        "  ? e                 CAP_BPF is missing\n"
    )


def test_many_names_stand_above_what_is_said_of_them() -> None:
    names = [f"helper_{number}" for number in range(8)]
    assert show("Helpers", [Feature(name, "", "no") for name in names], PLAIN) == (
        "Helpers\n"
        "  - helper_0, helper_1, helper_2, helper_3, helper_4,\n"
        "    helper_5, helper_6, helper_7:\n"
        "      no\n"
    )


def test_a_group_with_nothing_in_it() -> None:
    assert show("None", [], PLAIN) == ""


def test_colours_and_escapes() -> None:
    style = Style(("✓", "✗", "?"), colours=True, columns=60)
    assert show("X", [Feature("\x1b[2J", "")], style) == "X\n  \x1b[32m✓\x1b[m \\x1b[2J\n"
    assert verdict(False, "no\nway", style) == "\x1b[31m✗\x1b[m no\\nway\n"
    assert verdict(None, "who knows", style) == "\x1b[33m?\x1b[m who knows\n"


class Stream(io.StringIO):
    def __init__(self, encoding: str, terminal: bool) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> Any:
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    ("encoding", "terminal", "variables", "found"),
    [
        ("utf-8", True, {"TERM": "xterm"}, Style(("✓", "✗", "?"), True, 77)),
        ("utf-8", True, {"TERM": "xterm", "NO_COLOR": "1"}, Style(("✓", "✗", "?"), False, 77)),
        ("utf-8", True, {"TERM": "dumb"}, Style(("✓", "✗", "?"), False, 77)),
        ("utf-8", False, {"TERM": "xterm"}, Style(("✓", "✗", "?"), False, 100)),
        ("ascii", False, {}, Style(("+", "-", "?"), False, 100)),
    ],
)
def test_the_style_of_a_stream(
    monkeypatch: pytest.MonkeyPatch, encoding: str, terminal: bool, variables: dict[str, str], found: Style
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": "77", **variables}.items():
        monkeypatch.setenv(name, value)
    assert style_of(Stream(encoding, terminal)) == found
