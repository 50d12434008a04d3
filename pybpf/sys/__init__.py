"""The kernel's door: every system call, and every file of /proc and /sys, that pybpf uses."""

from pybpf.sys.command import command, object_ids, object_info, object_name, query
from pybpf.sys.fd import Fd

__all__ = ["Fd", "command", "object_ids", "object_info", "object_name", "query"]
