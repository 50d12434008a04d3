"""What options take."""

from __future__ import annotations

import argparse

import pytest

from pybpf.cli.arguments import joined, size


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("4096", 4096), ("512K", 524288), ("8m", 8388608), ("1G", 1 << 30)]
)
def test_a_size(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "0", "K", "-1", "1.5M", "2G", "4X", "4 K", "²", "1Ki"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        size(text)
    assert str(caught.value) == f"{text!r} is no size above 0 and below 2G, such as 512K or 8M"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("run x --sort -size", "run x --sort=-size"),
        ("run x --sort -size -v --fields -a,+b -q", "run x --sort=-size -v --fields=-a,+b -q"),
        ("run x --sort op -v", "run x --sort op -v"),
        ("run x --sort --top 5", "run x --sort --top 5"),
        ("run x --sort=-size -v", "run x --sort=-size -v"),
        ("", ""),
    ],
)
def test_fields_with_a_sign(words: str, found: str) -> None:
    assert joined(words.split()) == found.split()
