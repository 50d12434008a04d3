"""The reference of the language says what is so: each of its rows and blocks is executed."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

import pybpf.dsl
from pybpf import btf
from pybpf.dsl import lower
from pybpf.spec import Target
from pybpf.vm import Machine

TEXT = (Path(pybpf.dsl.__file__).parent / "README.md").read_text()
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| `")
]
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
OUT = 'out = HashMap("out", u64, u64, max_entries=64)\n'
TARGET = Target("reference", btf.reference())


def run(module, source, *arguments):
    """What a probe leaves in its map."""
    machine = Machine(lower(module(OUT + source), {}, TARGET), btf=TARGET.btf)
    machine.call("probe", *arguments)
    return {
        int.from_bytes(key, "little"): int.from_bytes(value, "little")
        for key, value in machine.maps["out"].items()
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} with {row[1]}")
def test_row(row, module):
    expression, where, in_python, in_a_probe = row
    variables = re.findall(r"(\w+): (\w+) = (-?\d+)", where)
    names = {name: int(value) for name, _, value in variables}
    plain = dict.fromkeys(("u8", "i8", "u64"), int)
    try:
        found = repr(eval(expression, plain, names))
    except ZeroDivisionError as error:
        found = type(error).__name__
    assert found == in_python
    header = ", ".join(f"{name}: {type}" for name, type, _ in variables)
    source = f"@kprobe('f')\ndef probe({header}):\n    out[0] = u64({expression})\n"
    expected = int(ast.literal_eval(in_a_probe)) & (1 << 64) - 1
    assert run(module, source, *names.values()) == {0: expected}


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block(number, module):
    source = BLOCKS[number]
    if "match " in source and sys.version_info < (3, 10):
        return  # the syntax came with Python 3.10
    cases = re.findall(r"^# probe\((.*?)\) -> (.*)$", source, re.MULTILINE)
    assert cases
    for arguments, expected in cases:
        found = run(module, source, *map(int, arguments.split(", ")))
        assert found == {int(key): int(value) for key, value in re.findall(r"out\[(\d+)\] = (\d+)", expected)}
