"""Live maps: created, looked into, changed."""

from pybpf.maps.create import create
from pybpf.maps.map import Map, MapInfo

__all__ = ["Map", "MapInfo", "create"]
