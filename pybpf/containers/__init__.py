"""Containers of this host: found by what the kernel shows of processes, and by the runtimes' own files.

No runtime's socket, SDK or API is used, and none need be running.
"""

from pybpf.containers.container import Container, Pod
from pybpf.containers.follow import Containers
from pybpf.containers.identify import identify

__all__ = ["Container", "Containers", "Pod", "identify"]
