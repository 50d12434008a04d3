from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from pybpf.cli import main

TEXT = "r1 = map[starts]\nif r1 == 0 goto out\nr0 = 5\nout: exit\n"
CODE = "18110000030000000000000000000000 1501010000000000 b700000005000000 9500000000000000"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "code"
    path.write_bytes(bytes.fromhex(CODE))
    return path


def test_asm_writes_a_file(tmp_path: Path) -> None:
    source, target = tmp_path / "text", tmp_path / "code"
    source.write_text(TEXT)
    assert main(["asm", str(source), "-o", str(target), "--map", "starts=3"]) == 0
    assert target.read_bytes() == bytes.fromhex(CODE)


def test_asm_writes_bytes_to_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"r0 = 5 // \xff\nexit\n")))
    assert main(["asm", "-"]) == 0
    assert capfdbinary.readouterr().out.hex() == "b7000000050000009500000000000000"


def test_asm_names_the_file_and_the_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "text"
    source.write_text("r0 = 5\n  exti\n")
    assert main(["asm", str(source)]) == 1
    assert capsys.readouterr().err == (
        f"pybpf: error: {source}:2:3: found 'exti', expected a register (w0 to w10), a register (r0 to r10),"
        " '*' or 'exit'\n      exti\n      ^\n"
    )


def test_disasm_of_bytes(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disasm", str(code)]) == 0
    assert capsys.readouterr().out == (
        "; code\n"
        "    0:    r1 = map[fd:3]\n"
        "    2: ┌─ if r1 == 0x0 goto pc+1\n"
        "    3: │  r0 = 5\n"
        "    4: └> exit\n"
    )


def test_disasm_as_json(code: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disasm", str(code), "-o", "json"]) == 0
    (program,) = json.loads(capsys.readouterr().out)
    assert [each["text"] for each in program["instructions"]] == [
        "r1 = map[fd:3]",
        "if r1 == 0x0 goto pc+1",
        "r0 = 5",
        "exit",
    ]


def test_disasm_in_ascii(
    code: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["disasm", str(code)]) == 0
    output.seek(0)
    assert "    2: /- if r1 == 0x0 goto pc+1\n    3: |  r0 = 5\n    4: \\> exit\n" in output.read()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "ff00000000000000",
            "instruction 0: unknown opcode 0xff (`--lenient` shows it and goes on), in code",
        ),
        ("0500050000000000", "instruction 0: goto jumps to a place out of the program (instruction 6)"),
    ],
)
def test_disasm_refuses_what_is_no_program(
    code: Path, data: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code.write_bytes(bytes.fromhex(data))
    assert main(["disasm", str(code)]) == 1
    assert capsys.readouterr().err == f"pybpf: error: {message}\n"
    assert main(["disasm", str(code), "--lenient"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "unexpected argument 'b': one program at a time"),
        (["id", "x"], "'x' is no id of a program: a number above 0"),
        (["nosuch"], "no program 'nosuch'"),
    ],
)
def test_disasm_usage(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disasm", *words]) == 2
    assert capsys.readouterr().err.startswith(f"pybpf: error: {message}")


def test_disasm_of_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["disasm", "trace_fsslower"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("; ig_fssl_open_e: kprobe on ")
    assert text.count("\n; ig_fssl_") == 9
    assert "map[starts]" in text
