"""Nothing of the events: they are counted, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pybpf.gadget.output.form import Form

__all__ = ["Nothing"]


class Nothing(Form):
    """No output at all."""

    def lines(self, batch: Sequence[tuple[Any, ...]]) -> str:
        return ""
