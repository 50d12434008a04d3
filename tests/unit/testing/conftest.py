"""The fixtures that pybpf gives to those who test their probes."""

from pybpf.testing import probes

__all__ = ["probes"]
