"""Programs that are loaded in this kernel: found, and taken apart."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from struct import iter_unpack
from typing import NamedTuple

from pybpf.asm import KernelFunctionRef, KernelSymbol, MapRef, MapValueRef, Ref, Statement, SubprogramRef
from pybpf.btf.debug_info import Line, functions, lines
from pybpf.errors import ProgramNotFound, SyscallError, near
from pybpf.inspect.disassembly import Disassembly
from pybpf.inspect.live_btf import btf_by_id
from pybpf.isa import Instruction, Undecoded, decode_loaded, distance, find, slot_indices
from pybpf.sys import Fd, command, kallsyms, object_ids, object_info
from pybpf.uapi import bpf
from pybpf.uapi.names import name_of

__all__ = ["disassemble_loaded", "loaded_programs", "pinned_program"]


class _Info(NamedTuple):
    type: int
    id: int
    tag: bytes
    name: bytes
    xlated_prog_len: int
    nr_map_ids: int
    btf_id: int
    nr_func_info: int
    func_info_rec_size: int
    nr_line_info: int
    line_info_rec_size: int


def loaded_programs(number: int = 0, name: str = "", tag: str = "") -> Iterator[Fd]:
    """The loaded programs of that id, name (the first 15 characters are compared) or tag; the caller closes.

    Needs CAP_SYS_ADMIN. Raises `ProgramNotFound` when there is none, SyscallError.
    """
    found = False
    names = set()
    for each in (number,) if number else object_ids("PROG"):
        try:
            fd = Fd(command(bpf.BPF_PROG_GET_FD_BY_ID, start_id=each), f"program {each}")
        except SyscallError as error:
            # It went away meanwhile, or never was there.
            if error.errno == errno.ENOENT:
                continue
            raise
        info = _info(fd)
        known = info.name.rstrip(b"\0").decode()
        names.add(known)
        if number or (name and known == name[:15]) or (tag and info.tag.hex() == tag.lower()):
            found = True
            yield fd
        else:
            fd.close()
    if not found:
        what = f"the id {number}" if number else f"the name {name!r}" if name else f"the tag {tag}"
        raise ProgramNotFound(f"no loaded program has {what}{near(name, names)}", name or tag)


def pinned_program(path: str) -> Fd:
    """The program pinned at a path of bpffs; the caller closes. Raises SyscallError."""
    return Fd(command(bpf.BPF_OBJ_GET, pathname=os.fsencode(path) + b"\0"), f"program pinned at {path}")


def disassemble_loaded(fd: Fd) -> Disassembly:
    """The program with the names of its maps, functions and helpers, and the lines it was made from (5.0)."""
    info = _info(fd)
    code, maps, starts, places = _contents(fd, info)
    btf = btf_by_id(info.btf_id) if info.btf_id else None
    names = functions(starts, info.func_info_rec_size, btf) if btf and starts else {}
    sources = lines(places, info.line_info_rec_size, btf) if btf and places else {}
    names[0] = names.get(0) or info.name.rstrip(b"\0").decode() or "unnamed"
    map_names = {each: _map_name(each) for (each,) in iter_unpack("<I", maps)}
    items = decode_loaded(code)
    statements = _statements(items, names, sources, _refs(items, names, map_names))
    title = f"{names[0]}: {name_of('BPF_PROG_TYPE_', info.type).lower()}, id {info.id}, tag {info.tag.hex()}"
    texts = {line.location[:2]: line.text for line in sources.values()}
    return Disassembly(names[0], title, tuple(statements), texts)


def _info(fd: Fd) -> _Info:
    return _Info(*object_info(fd.fileno(), "prog", *_Info._fields))


def _contents(fd: Fd, info: _Info) -> tuple[bytes, bytes, bytes, bytes]:
    # Instructions, ids of maps, and the records of functions and lines. An empty buffer has no address.
    buffers = {
        "xlated_prog_insns": bytearray(info.xlated_prog_len),
        "map_ids": bytearray(4 * info.nr_map_ids),
        "func_info": bytearray(info.func_info_rec_size * info.nr_func_info),
        "line_info": bytearray(info.line_info_rec_size * info.nr_line_info),
    }
    counts = {
        name: count
        for name, count in info._asdict().items()
        if name.startswith("nr_") or name.endswith(("_len", "_rec_size"))
    }
    object_info(fd.fileno(), "prog", **counts, **{name: buffer for name, buffer in buffers.items() if buffer})
    code, maps, starts, places = map(bytes, buffers.values())
    return code, maps, starts, places


def _map_name(number: int) -> str:
    with Fd(command(bpf.BPF_MAP_GET_FD_BY_ID, start_id=number), f"map {number}") as fd:
        (name,) = object_info(fd.fileno(), "map", "name")
    return name.rstrip(b"\0").decode() or f"id:{number}"


def _refs(
    items: Sequence[Instruction | Undecoded], names: Mapping[int, str], maps: Mapping[int, str]
) -> dict[int, Ref]:
    # What instructions refer to, by slot.
    refs: dict[int, Ref] = {}
    calls: dict[int, tuple[Instruction, int]] = {}
    base = kallsyms.address_of("__bpf_call_base")
    for index, item in zip(slot_indices(items), items):
        if isinstance(item, Undecoded):
            continue
        op = find(item)
        kind = op.name if op else ""
        low, high = item.imm & 0xFFFF_FFFF, item.imm >> 32
        if kind == "lddw_map_fd" and low in maps:
            refs[index] = MapRef(maps[low])
        elif kind == "lddw_map_value" and low in maps:
            refs[index] = MapValueRef(maps[low], high)
        elif op and kind in ("call_local", "lddw_func"):
            target = index + 1 + distance(item, op)
            if target in names:
                refs[index] = SubprogramRef(names[target])
        elif kind in ("call", "call_kernel") and base:
            calls[index] = item, base + item.imm
    symbols = kallsyms.names_at({address for _, address in calls.values()})
    for index, (insn, address) in calls.items():
        if address in symbols:
            refs[index] = (KernelFunctionRef if insn.src else KernelSymbol)(symbols[address])
    return refs


def _statements(
    items: Sequence[Instruction | Undecoded],
    names: Mapping[int, str],
    sources: Mapping[int, Line],
    refs: Mapping[int, Ref],
) -> Iterator[Statement | Undecoded]:
    place = None
    for index, item in zip(slot_indices(items), items):
        if index in sources:
            place = sources[index].location
        if isinstance(item, Undecoded):
            yield item
        else:
            labels = (names[index],) if index in names else ()
            yield Statement(item, refs.get(index), labels, place)
