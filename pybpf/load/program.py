"""A program in the kernel: loaded, and asked about."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple

from pybpf.errors import LoadError, SyscallError
from pybpf.load.attach_target import attach_target
from pybpf.load.ready import Image, image_of
from pybpf.spec import ProgramSpec
from pybpf.sys import Fd, command, object_info, object_name, query
from pybpf.sys.memlock import with_memlock
from pybpf.uapi import bpf
from pybpf.uapi.names import name_of

__all__ = ["Program", "ProgramInfo", "load_program"]

# The log starts small, and grows as far as the kernel allows (kernel/bpf/log.c; 16 MiB before 5.2).
_LOG_SIZES = (1 << 16, 1 << 20, (1 << 24) - 1)


class ProgramInfo(NamedTuple):
    """What the kernel says of a program (4.13): `tag` is the hash of its instructions, sizes in bytes."""

    type: int
    id: int
    tag: str
    jited_size: int
    xlated_size: int
    name: str


class Program:
    """Owner of a loaded program's descriptor."""

    def __init__(self, spec: ProgramSpec, fd: Fd) -> None:
        self.spec = spec
        self._fd = fd

    def __repr__(self) -> str:
        return repr(self._fd)

    @property
    def name(self) -> str:
        return self.spec.name

    def fileno(self) -> int:
        return self._fd.fileno()

    def close(self) -> None:
        self._fd.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def info(self) -> ProgramInfo:
        names = ("type", "id", "tag", "jited_prog_len", "xlated_prog_len", "name")
        kind, number, tag, jited, xlated, name = object_info(self.fileno(), "prog", *names)
        return ProgramInfo(kind, number, tag.hex(), jited, xlated, name.rstrip(b"\0").decode())

    def misses(self) -> int:
        """How often it couldn't run, since it would have interrupted one that ran (5.12; kprobes: 6.7)."""
        return int(object_info(self.fileno(), "prog", "recursion_misses")[0])

    def test_run(self, data: bytes = b"", context: bytes = b"") -> int:
        """Run it once on `data` (a packet) or `context`, as its type asks; its 32-bit return value (4.12)."""
        fields: dict[str, Any] = {}
        if data:
            fields.update(data_in=data, data_size_in=len(data))
        if context:
            fields.update(ctx_in=context, ctx_size_in=len(context))
        return query(bpf.BPF_PROG_TEST_RUN, ("retval",), prog_fd=self.fileno(), **fields)[1]


def _retried(fields: Mapping[str, Any]) -> int:
    """Load; a signal makes the verifier give up with EAGAIN, and it may be asked again."""
    for _ in range(5):
        try:
            return command(bpf.BPF_PROG_LOAD, **fields)
        except SyscallError as error:
            if error.errno != errno.EAGAIN:
                raise
    return command(bpf.BPF_PROG_LOAD, **fields)


def _with_log(fields: Mapping[str, Any]) -> tuple[int | SyscallError, str]:
    """Load once more for the verifier's log; a program that loads after all, or the error, and the log."""
    result: int | SyscallError = -1
    log = bytearray()
    for size in _LOG_SIZES:
        log = bytearray(size)
        try:
            result = _retried({**fields, "log_level": 1, "log_size": size, "log_buf": log})
            break
        except SyscallError as error:
            result = error
            if error.errno != errno.ENOSPC:
                break
    return result, log.split(b"\0", 1)[0].decode("utf-8", "replace")


def _refused(spec: ProgramSpec, error: SyscallError) -> Exception:
    """The error for a program that the kernel sent back before its verifier looked at it."""
    if error.errno == errno.EINVAL:
        return LoadError(
            f"program {spec.name}: the kernel refuses it before verifying it (EINVAL): it lacks the program"
            f" type {name_of('BPF_PROG_TYPE_', spec.type)}, or something that was asked for with it:"
            " `pybpf doctor` shows what it has",
            spec.name,
        )
    if error.errno == errno.E2BIG:
        slots = sum(statement.insn.slots for statement in spec.code)
        return LoadError(f"program {spec.name}: {slots} instructions are too many for this kernel", spec.name)
    return error.about(f"program {spec.name}")


def load_program(
    spec: ProgramSpec,
    maps: Mapping[str, int],
    debug: Mapping[str, Any] | None = None,
    image: Image | None = None,
) -> Program:
    """Resolve the program's symbols (`maps`: descriptors by name), and have the kernel verify and keep it.

    `debug` are the fields of BPF_PROG_LOAD that carry BTF function and line info; `image` is what
    `image_of` gives, where it is known. Raises VerifierError, LoadError, SyscallError (`.why` has the cure),
    and asm's errors for a symbol that isn't known.
    """
    image = image or image_of(spec, maps)
    code = image.linked(maps)
    with attach_target(image.target) as target:
        fields = {
            "prog_type": spec.type,
            "insns": code,
            "insn_cnt": len(code) // 8,
            "license": spec.license.encode() + b"\0",
            "prog_name": object_name(spec.name),
            "expected_attach_type": spec.attach_type,
            "prog_flags": bpf.BPF_F_SLEEPABLE * spec.sleepable,
            **target,
            **(debug or {}),
        }
        try:
            descriptor = with_memlock(lambda: _retried(fields))
        except SyscallError as first:
            result, log = _with_log(fields)
            if isinstance(result, SyscallError):
                if log.strip():
                    from pybpf.load import verifier

                    raise verifier.error(spec, log) from None
                if debug and first.errno == errno.E2BIG:  # no line info before 5.0
                    return load_program(spec, maps, image=image)
                raise _refused(spec, first) from None
            descriptor = result
    return Program(spec, Fd(descriptor, f"program {spec.name}"))
