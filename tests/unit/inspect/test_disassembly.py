from __future__ import annotations

import pytest

from pybpf.asm import parse
from pybpf.inspect.arrows import gutters
from pybpf.inspect.disassembly import Disassembly, as_json, render
from pybpf.isa import Undecoded
from pybpf.source import Location


@pytest.mark.parametrize(
    ("jumps", "rows", "lines"),
    [
        ([], 2, ["", ""]),
        ([(0, 2)], 4, ["┌─ ", "│  ", "└> ", "   "]),
        ([(2, 0)], 3, ["┌> ", "│  ", "└─ "]),
        ([(1, 1)], 2, ["   ", "╶> "]),
        ([(0, 3), (1, 3)], 4, ["┌─ ", "├─ ", "│  ", "└> "]),
        ([(0, 4), (1, 2)], 5, ["┌── ", "│┌─ ", "│└> ", "│   ", "└─> "]),
        ([(0, 1), (2, 3)], 4, ["┌─ ", "└> ", "┌─ ", "└> "]),
        ([(0, 2), (1, 3)], 4, [" ┌─ ", "┌┼─ ", "│└> ", "└─> "]),
        ([(2, 0), (0, 3)], 4, ["┌┬> ", "││  ", "│└─ ", "└─> "]),
    ],
)
def test_gutters(jumps: list[tuple[int, int]], rows: int, lines: list[str]) -> None:
    assert gutters(jumps, rows) == lines


def test_only_so_many_lanes_are_drawn() -> None:
    nested = [(number, 40 - number) for number in range(20)]
    assert {len(line) for line in gutters(nested, 41)} == {10}


TEXT = """\
prog:
    r1 = map[starts]
    call bpf_get_prandom_u32#7
    if r0 == 0x0 goto 1_out
    r0 = 1
1_out:
    exit
"""


def _program() -> Disassembly:
    code = [statement._replace(location=None) for statement in parse(TEXT)]
    code[2] = code[2]._replace(location=Location("/src/prog.c", 7, 5))
    code[3] = code[3]._replace(location=Location("/src/prog.c", 7, 9))
    code[4] = code[4]._replace(location=Location("/src/prog.c", 8, 1))
    texts = {("/src/prog.c", 7): "\tif (!random)", ("/src/prog.c", 8): "}"}
    return Disassembly("prog", "prog: kprobe", (*code, Undecoded(b"\xff\x01", "truncated")), texts)


def test_render() -> None:
    assert render(_program()) == (
        "; prog: kprobe\n"
        "prog:\n"
        "    0:    r1 = map[starts]\n"
        "    2:    call bpf_get_prandom_u32#7\n"
        "; prog.c:7: if (!random)\n"
        "    3: ┌─ if r0 == 0x0 goto 1_out\n"
        "    4: │  r0 = 1\n"
        "1_out:\n"
        "; prog.c:8: }\n"
        "    5: └> exit\n"
        "    6:    .byte 0xff, 0x01 ; truncated\n"
    )


def test_colours_only_add() -> None:
    colored = render(_program(), color=True)
    assert colored != render(_program())
    for code in ("\033[0m", "\033[1m", "\033[2m"):
        colored = colored.replace(code, "")
    assert colored == render(_program())


def test_what_is_rendered_is_read_back() -> None:
    program = _program()
    program = program._replace(code=program.code[:-1])
    plain = [statement._replace(location=None) for statement in parse(render(program))]
    assert plain == [statement._replace(location=None) for statement in program.code]


def test_json() -> None:
    program = as_json(_program())
    assert (program["name"], program["title"]) == ("prog", "prog: kprobe")
    assert program["instructions"][0] == {
        "index": 0,
        "bytes": "18110000000000000000000000000000",
        "text": "r1 = map[starts]",
        "name": "lddw_map_fd",
        "opcode": 0x18,
        "dst": 1,
        "src": 1,
        "offset": 0,
        "imm": 0,
        "labels": ["prog"],
    }
    assert program["instructions"][2]["target"] == 5
    # The bytes are those of the resolved jump.
    assert program["instructions"][2]["bytes"] == "1500010000000000"
    assert program["instructions"][2]["offset"] == 1
    assert program["instructions"][2]["source"] == {
        "file": "/src/prog.c",
        "line": 7,
        "column": 5,
        "text": "if (!random)",
    }
    assert program["instructions"][-1] == {"index": 6, "bytes": "ff01", "error": "truncated"}
