"""Specs into the kernel: maps made, symbols resolved, the verifier asked and explained."""

from pybpf.load.load import Loaded, load
from pybpf.load.program import Program, ProgramInfo, load_program
from pybpf.load.ready import Ready

__all__ = ["Loaded", "Program", "ProgramInfo", "Ready", "load", "load_program"]
