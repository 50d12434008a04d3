"""The commands of bpf(2), with fields by name."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any, NamedTuple

from pybpf.errors import SyscallError
from pybpf.sys import explain, syscall
from pybpf.sys.needs import also
from pybpf.uapi import bpf

__all__ = ["command", "object_ids", "object_info", "object_name", "query"]


class _Command(NamedTuple):
    name: str
    attr: str
    needs: tuple[str, ...] = ("CAP_BPF",)


_ADMIN = ("CAP_SYS_ADMIN",)
_TRACING = ("CAP_BPF", "CAP_PERFMON")

_COMMANDS = {
    bpf.BPF_MAP_CREATE: _Command("BPF_MAP_CREATE", "bpf_map_create"),
    bpf.BPF_MAP_LOOKUP_ELEM: _Command("BPF_MAP_LOOKUP_ELEM", "bpf_map_elem"),
    bpf.BPF_MAP_UPDATE_ELEM: _Command("BPF_MAP_UPDATE_ELEM", "bpf_map_elem"),
    bpf.BPF_MAP_DELETE_ELEM: _Command("BPF_MAP_DELETE_ELEM", "bpf_map_elem"),
    bpf.BPF_MAP_GET_NEXT_KEY: _Command("BPF_MAP_GET_NEXT_KEY", "bpf_map_next_key"),
    bpf.BPF_MAP_FREEZE: _Command("BPF_MAP_FREEZE", "bpf_map_elem"),
    bpf.BPF_OBJ_PIN: _Command("BPF_OBJ_PIN", "bpf_obj_get"),
    bpf.BPF_OBJ_GET: _Command("BPF_OBJ_GET", "bpf_obj_get"),
    bpf.BPF_PROG_LOAD: _Command("BPF_PROG_LOAD", "bpf_prog_load"),
    bpf.BPF_PROG_TEST_RUN: _Command("BPF_PROG_TEST_RUN", "bpf_test_run"),
    bpf.BPF_BTF_LOAD: _Command("BPF_BTF_LOAD", "bpf_btf_load"),
    bpf.BPF_OBJ_GET_INFO_BY_FD: _Command("BPF_OBJ_GET_INFO_BY_FD", "bpf_object_info"),
    bpf.BPF_RAW_TRACEPOINT_OPEN: _Command("BPF_RAW_TRACEPOINT_OPEN", "bpf_raw_tracepoint_open", _TRACING),
    bpf.BPF_LINK_CREATE: _Command("BPF_LINK_CREATE", "bpf_link_create", _TRACING),
    bpf.BPF_ITER_CREATE: _Command("BPF_ITER_CREATE", "bpf_iter_create", _TRACING),
    bpf.BPF_PROG_GET_NEXT_ID: _Command("BPF_PROG_GET_NEXT_ID", "bpf_get_id", _ADMIN),
    bpf.BPF_MAP_GET_NEXT_ID: _Command("BPF_MAP_GET_NEXT_ID", "bpf_get_id", _ADMIN),
    bpf.BPF_BTF_GET_NEXT_ID: _Command("BPF_BTF_GET_NEXT_ID", "bpf_get_id", _ADMIN),
    bpf.BPF_LINK_GET_NEXT_ID: _Command("BPF_LINK_GET_NEXT_ID", "bpf_get_id", _ADMIN),
    bpf.BPF_PROG_GET_FD_BY_ID: _Command("BPF_PROG_GET_FD_BY_ID", "bpf_get_id", _ADMIN),
    bpf.BPF_MAP_GET_FD_BY_ID: _Command("BPF_MAP_GET_FD_BY_ID", "bpf_get_id", _ADMIN),
    bpf.BPF_BTF_GET_FD_BY_ID: _Command("BPF_BTF_GET_FD_BY_ID", "bpf_get_id", _ADMIN),
    bpf.BPF_LINK_GET_FD_BY_ID: _Command("BPF_LINK_GET_FD_BY_ID", "bpf_get_id", _ADMIN),
}


def query(number: int, outputs: tuple[str, ...], **fields: Any) -> tuple[int, ...]:
    """Make a bpf(2) call; `(result, *values of the fields that the kernel fills in)`.

    A field that is a pointer takes a buffer (bytes, bytearray, …), which the kernel reads or writes.
    Raises SyscallError, with `.why`.
    """
    name, struct, needs = _COMMANDS[number]
    ffi = syscall.ffi()
    attr = ffi.new(f"struct {struct} *")
    keep = []
    kinds = dict(_fields(ffi.typeof(attr).item))
    for field, value in fields.items():
        if kinds[field] == "pointer":
            value = ffi.from_buffer(value)
            keep.append(value)
        setattr(attr, field, value)
    try:
        result = syscall.bpf(number, attr, ffi.sizeof(attr[0]))
    except SyscallError as error:
        raise explain.error(f"bpf({name})", error.errno or 0, (*needs, *also(fields))) from None
    return (result, *(int(getattr(attr, field)) for field in outputs))


def _fields(struct: Any) -> Iterator[tuple[str, str]]:
    """The fields of a struct and their kinds, those of unions without a name among them."""
    for name, field in struct.fields:
        if name:
            yield name, field.type.kind
        else:
            yield from _fields(field.type)


def command(number: int, **fields: Any) -> int:
    """Make a bpf(2) call; see `query`."""
    return query(number, (), **fields)[0]


def object_info(fd: int, kind: str, *names: str, **fields: Any) -> tuple[Any, ...]:
    """Fields of `struct bpf_KIND_info` (map, prog, link, btf) of an object (4.13): ints, and arrays as bytes.

    `fields` are set before the call: how many records there is room for, and writable buffers for them.
    """
    ffi = syscall.ffi()
    info = ffi.new(f"struct bpf_{kind}_info *")
    buffer = ffi.buffer(info)
    kept = {
        name: value if isinstance(value, int) else ffi.from_buffer(value) for name, value in fields.items()
    }
    for name, value in kept.items():
        setattr(info, name, value)
    command(bpf.BPF_OBJ_GET_INFO_BY_FD, bpf_fd=fd, info=buffer, info_len=len(buffer))
    values = [getattr(info, name) for name in names]
    return tuple(value if isinstance(value, int) else bytes(ffi.buffer(value)) for value in values)


def object_ids(kind: str) -> Iterator[int]:
    """The ids of all objects of a kind (PROG, MAP, LINK: 4.13; BTF: 5.4) that the kernel has now."""
    number = 0
    while True:
        try:
            _, number = query(getattr(bpf, f"BPF_{kind}_GET_NEXT_ID"), ("next_id",), start_id=number)
        except SyscallError as error:
            if error.errno == errno.ENOENT:
                return
            raise
        yield number


def object_name(name: str) -> bytes:
    """`name` as the kernel takes it: up to 15 letters, digits, `_` and `.` (4.15; `.` since 5.2)."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.") else "_" for c in name)[:15].encode()
