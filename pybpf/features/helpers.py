"""Which helpers programs can call."""

from __future__ import annotations

import functools

from pybpf.asm import link, ops
from pybpf.asm.ops import R0, R1, R2, R3, R10
from pybpf.errors import BpfError
from pybpf.features.feature import Feature, program_feature
from pybpf.sys import explain
from pybpf.sys.privilege import privilege

__all__ = ["attach_cookie", "ktime_get_boot_ns", "probe_read_kernel", "rdonly_cast"]


@functools.cache
def probe_read_kernel() -> Feature:
    """bpf_probe_read_kernel and bpf_probe_read_kernel_str."""
    read = [ops.mov64(R1, R10), ops.alu("add", R1, -8), ops.mov64(R2, 8), ops.mov64(R3, 0)]
    code = [*read, ops.call("probe_read_kernel"), *read, ops.call("probe_read_kernel_str")]
    found = program_feature("bpf_probe_read_kernel", "5.5", link([*code, ops.mov64(R0, 0), ops.exit_()]))
    lockdown = explain.lockdown_forbids("reading kernel memory", privilege())
    return found._replace(why=lockdown) if lockdown and not found else found


@functools.cache
def ktime_get_boot_ns() -> Feature:
    """The clock that goes on while the machine sleeps."""
    code = [ops.call("ktime_get_boot_ns"), ops.mov64(R0, 0), ops.exit_()]
    return program_feature("bpf_ktime_get_boot_ns", "5.8", link(code))


@functools.cache
def attach_cookie() -> Feature:
    """A number that a program gets from the link through which it runs."""
    return program_feature("cookies of links", "5.15", link([ops.call("get_attach_cookie"), ops.exit_()]))


@functools.cache
def rdonly_cast() -> Feature:
    """Reading an object of the kernel by plain loads: bpf_rdonly_cast gives any address a BTF type."""
    from pybpf import btf

    name, since = "bpf_rdonly_cast", "6.2"
    try:
        kernel = btf.kernel()
        task = kernel["struct task_struct"]
        cast = next(kernel.functions(name), None)
        if cast is None:
            return Feature(name, since, "it is not among the kernel's functions")
        numbers = {name: cast.id}
        code = [
            ops.call("get_current_task"),
            ops.mov64(R1, R0),
            ops.mov64(R2, task.id),
            ops.call_kernel_function(name),
            ops.load(4, R0, R0, task.offset_of("pid")),
            ops.exit_(),
        ]
    except BpfError as error:
        return Feature(name, since, str(error))
    return program_feature(name, since, link(code, {}, numbers.__getitem__))
