"""Maps as a program declares them, and as its probes use them: a file for each kind."""

from pybpf.dsl.maps.array import ArrayMap, PerCpuArrayMap
from pybpf.dsl.maps.events import HEAP_SIZE, LOST_OFFSET, Events, UserEvents
from pybpf.dsl.maps.hash import HashMap, LruHashMap, LruPerCpuHashMap, PerCpuHashMap
from pybpf.dsl.maps.map import Map

__all__ = [
    "HEAP_SIZE",
    "LOST_OFFSET",
    "ArrayMap",
    "Events",
    "HashMap",
    "LruHashMap",
    "LruPerCpuHashMap",
    "Map",
    "PerCpuArrayMap",
    "PerCpuHashMap",
    "UserEvents",
]
