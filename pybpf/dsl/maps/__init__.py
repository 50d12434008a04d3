"""Maps as a program declares them, and as its probes use them: a file for each kind."""

from pybpf.dsl.maps.array import ArrayMap, PerCpuArrayMap
from pybpf.dsl.maps.bloom_filter import BloomFilter
from pybpf.dsl.maps.events import HEAP_SIZE, LOST_OFFSET, Events, UserEvents
from pybpf.dsl.maps.hash import HashMap, LruHashMap, LruPerCpuHashMap, PerCpuHashMap
from pybpf.dsl.maps.histogram import Counter, LinearHist, Log2Hist
from pybpf.dsl.maps.local_storage import CgroupStorage, InodeStorage, SocketStorage, TaskStorage
from pybpf.dsl.maps.lpm_trie import LpmTrie
from pybpf.dsl.maps.map import Map
from pybpf.dsl.maps.map_in_map import ArrayOfMaps, HashOfMaps
from pybpf.dsl.maps.program_array import CgroupArray, ProgramArray
from pybpf.dsl.maps.queue import Queue, Stack
from pybpf.dsl.maps.raw_map import RawMap
from pybpf.dsl.maps.stack_trace import StackTrace
from pybpf.dsl.maps.variable import Global

__all__ = [
    "HEAP_SIZE",
    "LOST_OFFSET",
    "ArrayMap",
    "ArrayOfMaps",
    "BloomFilter",
    "CgroupArray",
    "CgroupStorage",
    "Counter",
    "Events",
    "Global",
    "HashMap",
    "HashOfMaps",
    "InodeStorage",
    "LinearHist",
    "Log2Hist",
    "LpmTrie",
    "LruHashMap",
    "LruPerCpuHashMap",
    "Map",
    "PerCpuArrayMap",
    "PerCpuHashMap",
    "ProgramArray",
    "Queue",
    "RawMap",
    "SocketStorage",
    "Stack",
    "StackTrace",
    "TaskStorage",
    "UserEvents",
]
