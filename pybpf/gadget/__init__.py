"""Programs that people run: what they show and how, their filters, and the session that runs them.

`Gadget`, and the parts of probes that gadgets share. Names are resolved when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pybpf.gadget.devices import Device
    from pybpf.gadget.file_systems import FileSystems
    from pybpf.gadget.filters import discard_current
    from pybpf.gadget.gadget import Gadget
    from pybpf.gadget.net import IpAddress
    from pybpf.gadget.process import Process, Timestamp, fill_process
    from pybpf.gadget.session import Session
    from pybpf.gadget.stacks import KernelStack, UserStack

__all__ = [
    "Device",
    "FileSystems",
    "Gadget",
    "IpAddress",
    "KernelStack",
    "Process",
    "Session",
    "Timestamp",
    "UserStack",
    "discard_current",
    "fill_process",
]

_HOMES = {
    "Device": "devices",
    "FileSystems": "file_systems",
    "Gadget": "gadget",
    "IpAddress": "net",
    "KernelStack": "stacks",
    "Process": "process",
    "Session": "session",
    "Timestamp": "process",
    "UserStack": "stacks",
    "discard_current": "filters",
    "fill_process": "process",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    value = globals()[name] = getattr(module, name)
    return value
