"""Standard output and the line of status, on one terminal and apart."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SCRIPT = """
from pybpf.cli.console import Console
console = Console(quiet={quiet})
console.say("begun")
console.status("one")
console.status("too soon")
console.write("a line\\n")
console._next = 0
console.status("two")
console.warn("lost")
console._next = 0
console.status("three")
console.page("a table\\n")
console.write(b"raw\\n")
console.close()
"""


def run(quiet: bool, out: bool, err: bool) -> tuple[str, str]:
    """What the terminal shows, and what comes out of the pipe; which of the two streams are the terminal."""
    here, there = pty.openpty()
    read, write = os.pipe()
    subprocess.run(
        [sys.executable, "-c", SCRIPT.format(quiet=quiet)],
        stdout=there if out else write,
        stderr=there if err else write,
        check=True,
    )
    os.close(write)
    os.write(there, b"$")
    shown = b""
    while not shown.endswith(b"$"):
        shown += os.read(here, 1 << 16)
    with open(read, "rb") as pipe:
        piped = pipe.read().decode()
    os.close(here)
    os.close(there)
    return shown[:-1].decode().replace("\r\n", "\n"), piped


CLEAR = "\r\x1b[K"


def test_one_terminal() -> None:
    assert run(False, out=True, err=True) == (
        f"pybpf: begun\n{CLEAR}one{CLEAR}a line\n{CLEAR}two{CLEAR}pybpf: warning: lost\n"
        f"{CLEAR}three{CLEAR}\x1b[H\x1b[Ja table\nraw\n",
        "",
    )


def test_output_elsewhere() -> None:
    assert run(False, out=False, err=True) == (
        f"pybpf: begun\n{CLEAR}one{CLEAR}two{CLEAR}pybpf: warning: lost\n{CLEAR}three{CLEAR}",
        "a line\na table\nraw\n",
    )


def test_no_terminal_or_quiet() -> None:
    assert run(False, out=False, err=False) == (
        "",
        "pybpf: begun\na line\npybpf: warning: lost\na table\nraw\n",
    )
    assert run(True, out=True, err=True) == (
        "a line\npybpf: warning: lost\n\x1b[H\x1b[Ja table\nraw\n",
        "",
    )
