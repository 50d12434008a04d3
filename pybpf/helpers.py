"""What the kernel offers a probe: each helper by its name, the current task, kernel memory.

    from pybpf.helpers import current, get_smp_processor_id, perf_event_output

`help(get_smp_processor_id)` says what it takes and gives, since which kernel, and which programs may call
it; bpf-helpers(7) says what it does. Names are resolved when they are first used.
"""

from __future__ import annotations

from typing import Any

from pybpf.dsl.intrinsics import names, resolve

__all__ = names()


def __getattr__(name: str) -> Any:
    value = globals()[name] = resolve(name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
