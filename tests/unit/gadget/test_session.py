"""What a session says before it runs."""

from __future__ import annotations

import pytest

from pybpf import features
from pybpf.features import Feature
from pybpf.gadget.session import late_times
from pybpf.spec import Int, Struct

TIMES = Struct("Event", [("at", Int("timestamp", 8, role="timestamp"))])
OTHERS = Struct("Event", [("at", Int("u64", 8))])


@pytest.mark.parametrize(
    ("why", "layout", "late"), [("no", TIMES, True), ("no", OTHERS, False), ("", TIMES, False)]
)
def test_times_of_kernels_that_cannot_tell_them(
    monkeypatch: pytest.MonkeyPatch, why: str, layout: Struct, late: bool
) -> None:
    monkeypatch.setattr(features, "ktime_get_boot_ns", lambda: Feature("ktime", "5.8", why))
    assert late_times(layout) is late
