"""Kernel functions that programs call (kfuncs, Linux 5.13): from their names to the ids of their BTF."""

from __future__ import annotations

from pybpf.errors import LoadError, UnsupportedFeature, near

__all__ = ["kernel_function"]


def kernel_function(name: str) -> int:
    """The BTF id of a function of the running kernel's, not of its modules'. Raises LoadError."""
    from pybpf import btf

    try:
        kernel = btf.kernel()
    except UnsupportedFeature as error:
        raise LoadError(f"the kernel function {name} can't be found: {error}") from None
    found = next(kernel.functions(name), None)
    if found is None:
        names = (each.name for each in kernel if each.kind == "func")
        raise LoadError(f"this kernel has no function {name!r} that programs can call{near(name, names)}")
    return found.id
