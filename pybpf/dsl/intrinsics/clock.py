"""The kernel's clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pybpf.dsl.intrinsics.intrinsic import Intrinsic
from pybpf.dsl.types import u64
from pybpf.dsl.values import Scalar

if TYPE_CHECKING:
    from pybpf.dsl.context import Context

__all__ = ["ktime_get_boot_ns"]


@Intrinsic
def ktime_get_boot_ns(cx: Context) -> Any:
    """Nanoseconds since boot (`CLOCK_BOOTTIME`; Linux 5.8); 0 before, and the reader's clock serves."""
    if "ktime_get_boot_ns" not in cx.target.features:
        return 0
    return Scalar(cx.build.call("ktime_get_boot_ns"), u64)
