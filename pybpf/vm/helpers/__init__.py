"""The helper functions that the machine has, each a small function of the machine and its arguments."""

from pybpf.vm.helpers import current, dynptr, effects, map, memory, output, packet, timer
from pybpf.vm.helpers.table import Helper, Helpers

__all__ = ["Helper", "Helpers", "current", "dynptr", "effects", "map", "memory", "output", "packet", "timer"]
