"""CO-RE relocations of an object by clang, as pybpf and as libbpf (through bpftool) resolve them here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pybpf.btf import kernel, parse
from pybpf.btf.container import sections
from pybpf.btf.core import Relocation, relocate
from pybpf.btf.debug_info import core_records

sys.path.insert(0, str(Path(__file__).parent))
from btf_kernels import bpftool

OBJECT = Path(__file__).parents[1] / "data" / "btf" / "core.o"


@pytest.mark.needs("btf")
def test_as_libbpf() -> None:
    pin = Path("/sys/fs/bpf/pybpf_test_core")
    try:
        command = [bpftool(), "-d", "prog", "load", str(OBJECT), str(pin)]
        shown = subprocess.run(command, capture_output=True, text=True).stderr
    finally:
        pin.unlink(missing_ok=True)
    patched = dict(
        re.findall(r"relo #(\d+): patched insn #\d+ \(\S+\) (?:imm|imm64|off) -?\w+ -> (-?\w+)", shown)
    )
    found = sections(OBJECT.read_bytes())
    local = parse(found[".BTF"])
    [records] = core_records(found[".BTF.ext"], local).values()
    assert len(records) == len(patched) == 23
    for number, record in enumerate(records):
        kind = Relocation(record.kind)
        answer = relocate(kind, local.by_id(record.type_id), record.access, kernel())
        assert answer == int(patched[str(number)], 0), (record, kind)
