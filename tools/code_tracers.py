"""The tracers that tools/bench code compares, each attached while a `with` block runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from guest_bench import READY, LeftOut, tracer

from pybpf.events import open_reader
from pybpf.gadget import programs
from pybpf.gadget.session import Session
from pybpf.link import kprobe
from pybpf.maps import Map
from pybpf.spec import MapSpec
from pybpf.sys import Fd, command
from pybpf.uapi import bpf

SOURCE = Path(__file__).with_name("fsslower.bpf.c")
FUNCTIONS = {
    "read": "ext4_file_read_iter",
    "write": "ext4_file_write_iter",
    "open": "ext4_file_open",
    "sync": "ext4_sync_file",
    "statfs": "ext4_statfs",
}
# What each operation of bpftrace's keeps: where it begins, and the dentry.
_BEGIN = {
    "read": "((struct kiocb *)arg0)->ki_pos",
    "write": "((struct kiocb *)arg0)->ki_pos",
    "open": "0",
    "sync": "arg1",
    "statfs": "0",
}
_DENTRY = {
    "read": "((struct kiocb *)arg0)->ki_filp->f_path.dentry",
    "write": "((struct kiocb *)arg0)->ki_filp->f_path.dentry",
    "open": "((struct file *)arg1)->f_path.dentry",
    "sync": "((struct file *)arg0)->f_path.dentry",
    "statfs": "(struct dentry *)arg0",
}


@contextlib.contextmanager
def ours(minimum: int, buffer: str, values: dict[str, int]) -> Iterator[None]:
    """trace_fsslower, as kprobes."""
    program = programs.load("trace_fsslower")
    with Session(program, {"min": minimum, **values}, buffer=buffer, attach="kprobe"):
        yield


def compile_c(folder: Path) -> None:
    """Compile the C program for both buffers, if there is a clang."""
    clang = shutil.which("clang")
    flags: list[str | Path] = ["-O2", "-g", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3", "-c", SOURCE]
    for buffer, defines in (("ringbuf", []), ("perf", ["-DPERF"])):
        if clang:
            subprocess.run([clang, *flags, *defines, "-o", folder / f"{buffer}.o"], check=True)


def _with_parameters(path: Path, values: dict[str, int]) -> Path:
    """A copy of an object file with other values of its read-only variables."""
    data = bytearray(path.read_bytes())
    with path.open("rb") as file:
        elf = ELFFile(file)
        for name, value in values.items():
            table = elf.get_section_by_name(".symtab")
            assert isinstance(table, SymbolTableSection)
            symbol = (table.get_symbol_by_name(name) or [])[0]
            begin = elf.get_section(symbol["st_shndx"])["sh_offset"] + symbol["st_value"]
            data[begin : begin + symbol["st_size"]] = value.to_bytes(symbol["st_size"], "little")
    copy = Path("/tmp") / path.name
    copy.write_bytes(data)
    return copy


@contextlib.contextmanager
def clang(objects: Path, minimum: int, buffer: str, values: dict[str, int]) -> Iterator[None]:
    """The C program, loaded by bpftool."""
    path = objects / f"{buffer}.o"
    if not path.exists() or shutil.which("bpftool") is None:
        raise LeftOut("clang or bpftool is not installed")
    path = _with_parameters(path, {"min_us": minimum, **values})
    pins = Path("/sys/fs/bpf/bench")
    line: list[str | Path] = ["bpftool", "prog", "loadall", path, pins / "programs", "pinmaps", pins / "maps"]
    pins.mkdir()
    done = subprocess.run(line, capture_output=True, text=True, timeout=READY)
    if done.returncode:
        raise LeftOut(f"bpftool: {(done.stderr or done.stdout).strip().splitlines()[0]}")
    kind = bpf.BPF_MAP_TYPE_PERF_EVENT_ARRAY if buffer == "perf" else bpf.BPF_MAP_TYPE_RINGBUF
    sizes = (4, 4, os.cpu_count() or 1) if buffer == "perf" else (0, 0, 256 * 1024)
    with contextlib.ExitStack() as owned:
        owned.callback(shutil.rmtree, pins)
        filtered = owned.enter_context(
            _pinned_map(pins, MapSpec("mntns_filter", bpf.BPF_MAP_TYPE_HASH, 8, 4, 1024))
        )
        filtered.update(values.get("mntns", 0).to_bytes(8, "little"), bytes(4))
        owned.enter_context(
            open_reader(owned.enter_context(_pinned_map(pins, MapSpec("events", kind, *sizes))))
        )
        for operation, function in FUNCTIONS.items():
            for suffix in "xe":
                fd = owned.enter_context(_pinned(pins / "programs" / f"{operation}_{suffix}"))
                owned.enter_context(kprobe.attach(fd.fileno(), function, retprobe=suffix == "x"))
        yield


def _pinned(path: Path) -> Fd:
    return Fd(command(bpf.BPF_OBJ_GET, pathname=bytes(path) + b"\0"), str(path))


def _pinned_map(pins: Path, spec: MapSpec) -> Map:
    return Map(spec, _pinned(pins / "maps" / spec.name))


def fsslower(minimum: int) -> contextlib.AbstractContextManager[None]:
    """libbpf-tools' fsslower; its minimum is in milliseconds."""
    # It says that it is ready, but to a buffer of its own where its output is a file.
    return tracer(
        ["stdbuf", "-oL", "fsslower", "-t", "ext4", "-m", str(minimum // 1000)], "Tracing", "libbpf-tools"
    )


def bpftrace(minimum: int) -> contextlib.AbstractContextManager[None]:
    """The same job in bpftrace's language."""
    script = 'BEGIN { printf("Tracing\\n"); }\n'
    for number, (operation, function) in enumerate(FUNCTIONS.items()):
        script += f"""
kprobe:{function} {{
    @from[tid, {number}] = (uint64){_BEGIN[operation]};
    @dentry[tid, {number}] = {_DENTRY[operation]};
    @start[tid, {number}] = nsecs;
}}
kretprobe:{function} /@start[tid, {number}]/ {{
    $us = (nsecs - @start[tid, {number}]) / 1000;
    if ($us > {minimum}) {{
        printf("%s %d %d %d %d %d %d %s\\n", comm, pid, tid, {number}, $us, @from[tid, {number}], retval,
            str(@dentry[tid, {number}]->d_name.name));
    }}
    delete(@start[tid, {number}]); delete(@from[tid, {number}]); delete(@dentry[tid, {number}]);
}}
"""
    return tracer(["bpftrace", "-e", script], "Tracing", "bpftrace")
