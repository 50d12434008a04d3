"""`pybpf btf`, on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pybpf.btf import load
from pybpf.btf.build import Builder
from pybpf.cli import main

PROBE = '''"""A probe."""
from pybpf import Events, Gadget, Record, i64, kprobe


class Event(Record):
    at: i64


gadget = Gadget("probe", columns="at")
events = Events("events", Event)


@kprobe("vfs_read")
def probe(file: "struct file *"):
    event = events.reserve()
    if not event:
        return
    event.at = file.f_pos
    events.submit(event)
'''


def kernel(path: Path, position: str = "f_pos", at: int = 64, order: str = "little") -> str:
    b = Builder()
    long = b.integer("long long int", 8, signed=True)
    loff = b.modifier("typedef", long, "loff_t")
    file = b.structure("file", 24, [("f_op", b.pointer(0), 0, 0), (position, loff, at, 0)])
    b.structure("pt_regs", 168, [("di", b.integer("long unsigned int", 8), 112 * 8, 0)])
    b.function("vfs_read", b.prototype(long, [("file", b.pointer(file))]))
    path.write_bytes(b.finish(order))
    return str(path)


@pytest.fixture
def old(tmp_path: Path) -> str:
    return kernel(tmp_path / "old.btf")


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (
            ["struct file"],
            "typedef long long int loff_t;\n\nstruct file {\n\tvoid *f_op;\n\tloff_t f_pos;\n"
            "\tunsigned char __pad1[8];\n};\n\n",
        ),
        (["vfs_read()"], "long long int vfs_read(struct file *file);\n"),
        (["--format", "raw", "loff_t"], "[2] TYPEDEF 'loff_t' type_id=1\n"),
        (["loff_t", "--format=raw"], "[2] TYPEDEF 'loff_t' type_id=1\n"),
        (
            ["struct file", "--format", "layout"],
            "struct file {\n\t/* --- cache line 0 (0 bytes) --- */\n"
            "\tvoid *f_op;                             /*     0       8 */\n"
            "\tloff_t f_pos;                           /*     8       8 */\n\t/* padding: 8 bytes */\n"
            "\t/* size: 24, cache lines: 1, members: 2, padding: 8 bytes */\n};\n",
        ),
    ],
)
def test_dump(old: str, capsys: pytest.CaptureFixture[str], words: list[str], out: str) -> None:
    assert main(["btf", "dump", "--btf", old, *words]) == 0
    assert capsys.readouterr() == (out, "")


def test_dump_of_all(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["btf", "dump", "--btf", old]) == 0
    assert capsys.readouterr().out.startswith("#ifndef __VMLINUX_H__\n")
    assert main(["btf", "dump", "--btf", old, "--format", "json"]) == 0
    types = json.loads(capsys.readouterr().out)["types"]
    assert [type["id"] for type in types] == list(range(1, len(load(old))))


def test_list(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["btf", "list", "f*", "v*", "--btf", old]) == 0
    assert capsys.readouterr().out == (
        "ID  KIND    SIZE  NAME\n 4  struct  24    struct file\n 9  func          vfs_read\n"
    )


@pytest.fixture
def probe(tmp_path: Path) -> str:
    path = tmp_path / "probe.py"
    path.write_text(PROBE)
    return str(path)


def test_extract_check_and_diff(
    old: str, probe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out.btf")
    assert main(["btf", "extract", probe, "--from", old, "-o", out]) == 0
    assert capsys.readouterr().err.startswith("pybpf: ")
    cut = load(out)
    assert [member.name for member in cut["struct file"].members] == ["f_pos"]
    assert cut["struct file"].offset_of("f_pos") == 8

    renamed = kernel(tmp_path / "renamed.btf", position="f_position")
    assert main(["btf", "check", probe, "--btf", old, out, renamed]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[:3] == [f"{old}: {probe}: yes", f"{out}: {probe}: yes", f"{renamed}: {probe}: no"]
    assert "struct file has no field 'f_pos'" in shown[3]
    assert "did you mean 'f_position'" in shown[3]

    moved = kernel(tmp_path / "moved.btf", at=128)
    assert main(["btf", "diff", old, moved, probe]) == 1
    assert capsys.readouterr().out == (
        f"--- {old}\n+++ {moved}\nstruct file.f_pos\n  - 8, loff_t\n  + 16, loff_t\n"
    )
    assert main(["btf", "diff", old, out, probe]) == 0
    assert main(["btf", "diff", old, out]) == 1
    assert "struct file.f_op\n  - 0, void *\n  + -\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["dum"], 2, "no action 'dum' (did you mean 'dump'?): dump, list, extract, check, diff"),
        (["dump", "struct fil"], 1, "no type 'struct fil' in this BTF (did you mean 'struct file'?)"),
        (["dump", "vfs_rea()"], 1, "no type 'vfs_rea()' in this BTF (did you mean 'vfs_read'?)"),
        (["list", "zz*"], 1, "no type has such a name"),
        (["list", "--kind", "zz"], 1, "no type has such a name and the kind 'zz'"),
        (["extract", "-o", "/dev/null"], 2, "nothing to extract: give programs, or types with --type"),
        (
            ["dump", "--format", "layout", "loff_t"],
            1,
            "long long int has no layout: only structs and unions do",
        ),
    ],
)
def test_wrong_use(
    old: str, capsys: pytest.CaptureFixture[str], words: list[str], status: int, message: str
) -> None:
    option = ["--from", old] if words[0] == "extract" else ["--btf", old]
    assert main(["btf", *words, *option]) == status
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", f"pybpf: error: {message}")


def test_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["btf", "--which"]) == 0
    rows = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == "/sys/kernel/btf/vmlinux"
    assert len(rows) == 6


def test_the_reference_serves_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["btf", "check", "trace_fsslower", "--btf", "reference"]) == 0
    assert capsys.readouterr().out == "reference: trace_fsslower: yes\n"
