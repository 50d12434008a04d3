"""What options take."""

from __future__ import annotations

import argparse

import pytest

from pybpf.cli.arguments import size


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
