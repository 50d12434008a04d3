"""Lowering: the syntax tree of a Python function becomes IR."""

from pybpf.dsl.lower.program import lower

__all__ = ["lower"]
