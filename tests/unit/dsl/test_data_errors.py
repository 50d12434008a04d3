"""Every way to misuse maps and data, and the whole text of what is said of it.

In the tables beside this file, the body of a probe of two numbers has carets below what an error is about,
and `=>` before its message, which goes on in indented lines.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import BpfError, LoweringError
from pybpf.spec import Target

HERE = Path(__file__).parent


def _source(name):
    """The probe of another test, with its declarations."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made.source


def _cases(table):
    """(text, line and carets, message) of each case in a table."""
    for block in (HERE / f"errors_of_{table}.txt").read_text().strip().split("\n\n"):
        text, _, message = block.partition("\n=> ")
        lines = text.splitlines()
        marked = [index for index, line in enumerate(lines) if not line.strip(" ^")]
        about = (marked[0] - 1, lines.pop(marked[0])) if marked else None
        yield "\n".join(lines), about, " ".join(map(str.strip, message.splitlines()))


IN_PROBES = [
    (source, *case)
    for name, table in (("test_maps", "maps"), ("test_records", "data"))
    for source in [_source(name)]
    for case in _cases(table)
]
DECLARED = {text: message for text, _, message in _cases("declarations")}


@pytest.mark.parametrize(
    ("source", "body", "about", "message"), IN_PROBES, ids=[case[1] for case in IN_PROBES]
)
def test_in_a_probe(source, body, about, message, module):
    with pytest.raises(LoweringError) as caught:
        lower(module(source(body)), {}, Target("reference", btf.reference()))
    file = Path(caught.value.location.file)
    text = file.read_text().splitlines()
    index, carets = about
    number = text.index("def probe(a: u64, b: u64):") + 2 + index
    line = text[number - 1]
    indent = len(line) - len(line.lstrip())
    column = len(carets) - len(carets.lstrip()) + 4
    shown = f"    {line.strip()}\n    {' ' * (column - indent)}{carets.strip()}"
    assert str(caught.value) == f"{file}:{number}:{column + 1}: {message}\n{shown}"


@pytest.mark.parametrize("text", DECLARED)
def test_declared(text, module):
    with pytest.raises(BpfError) as caught:
        module(text)
    assert str(caught.value) == DECLARED[text]
