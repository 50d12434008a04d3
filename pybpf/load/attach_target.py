"""What a tracing program is loaded for (5.5): a kernel function or a tracepoint, by the id of its BTF."""

from __future__ import annotations

import contextlib
import errno
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from pybpf import link
from pybpf.errors import LoadError, SyscallError, UnsupportedFeature
from pybpf.spec import ProgramSpec
from pybpf.sys import Fd, command, kallsyms, object_ids, object_info
from pybpf.uapi import bpf

if TYPE_CHECKING:
    from pybpf.btf import Btf

__all__ = ["Target", "attach_target", "target_of"]

# The function that stands for a place of another name.
_SYMBOLS = {
    bpf.BPF_TRACE_RAW_TP: "__traceiter_{}",
    bpf.BPF_LSM_MAC: "bpf_lsm_{}",
    bpf.BPF_TRACE_ITER: "bpf_iter_{}",
}
# The ids of modules' BTF that have been looked for.
_numbers: dict[str, int] = {}


class Target(NamedTuple):
    """A function by the `id` of its type in a module's BTF; `module` is empty for the kernel's own."""

    module: str
    id: int


def target_of(spec: ProgramSpec) -> Target | None:
    """What a program is loaded for; None for programs of other types.

    Raises LoadError when there is no such function or tracepoint, or no BTF of it. In a module: 5.11.
    """
    if spec.type not in (bpf.BPF_PROG_TYPE_TRACING, bpf.BPF_PROG_TYPE_LSM):
        return None
    found, missing = link.resolve(spec.attach.functions, spec.attach.kind)
    if not found:
        why = f"{missing[0].name}: {missing[0].why}" if missing else "it is attached to nothing"
        raise LoadError(f"program {spec.name}: {why}", spec.name)
    (name, *_) = found
    tracepoint = spec.attach_type == bpf.BPF_TRACE_RAW_TP
    symbol = _SYMBOLS.get(spec.attach_type, "{}").format(name)
    # An iterator's function is in BTF only.
    (module, *_) = kallsyms.find([symbol]).get(symbol, ("",))
    types = _types(spec, module)
    keys = types.all(f"btf_trace_{name}") if tracepoint else types.functions(symbol)
    target = next(iter(keys), None)
    if target is None:
        raise LoadError(
            f"program {spec.name}: BTF does not describe {name}, or there are several of that name:"
            f" a {'raw_tracepoint' if tracepoint else 'kprobe'} may still work",
            spec.name,
        )
    return Target(module, target.id)


@contextlib.contextmanager
def attach_target(target: Target | None) -> Iterator[dict[str, int]]:
    """The fields of BPF_PROG_LOAD that say it. Raises LoadError when the module is gone."""
    if target is None:
        yield {}
    elif not target.module:
        yield {"attach_btf_id": target.id}
    else:
        with _descriptor(target.module) as descriptor:
            yield {"attach_btf_id": target.id, "attach_btf_obj_fd": descriptor.fileno()}


def _types(spec: ProgramSpec, module: str) -> Btf:
    from pybpf import btf

    try:
        return btf.module(module) if module else btf.kernel()
    except UnsupportedFeature as error:
        raise LoadError(f"program {spec.name}: {error}", spec.name) from None


def _descriptor(module: str) -> Fd:
    """A module's BTF, as the kernel knows it; where it was found before, it is looked for first."""
    before = [_numbers[module]] if module in _numbers else []
    for number in itertools.chain(before, object_ids("BTF")):
        try:
            descriptor = Fd(command(bpf.BPF_BTF_GET_FD_BY_ID, start_id=number), f"BTF of {module}")
        except SyscallError as error:
            if error.errno == errno.ENOENT:  # a program's, which has just gone
                continue
            raise
        name = bytearray(64)
        (of_kernel,) = object_info(descriptor.fileno(), "btf", "kernel_btf", name=name, name_len=len(name))
        if of_kernel and name.split(b"\0", 1)[0].decode() == module:
            _numbers[module] = number
            return descriptor
        descriptor.close()
    raise LoadError(f"the kernel has no BTF of the module {module}", module)
