"""`pybpf run` of a program of iterators: what they write is printed; the kernel itself is played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pybpf.cli import iterate, main
from pybpf.gadget.host import HostBuild
from pybpf.gadget.running import Running
from pybpf.link import Link
from pybpf.link.iterator import Iterator

PROGRAM = '''
"""List tasks."""
from pybpf import Gadget, iterator

gadget = Gadget("tasks", columns="")


@iterator("task")
def tasks(ctx: "struct bpf_iter__task *"):
    return
'''


class Played(Running):
    """Is attached by something else, and by an iterator that has two lines to say."""

    def __init__(self, build: Any, values: dict[str, Any], **given: Any) -> None:
        assert (build.name, values, given.keys()) == ("tasks", {}, {"strict", "warn"})

    def attach(self) -> None: ...

    def close(self) -> None: ...

    @property
    def links(self) -> list[Link]:
        return [Link("kprobe", "f", []), Iterator("iterator", "task", [])]


@pytest.mark.parametrize(
    ("words", "status", "out", "err"),
    [
        ((), 0, "1 init\n2 \\xff\n", ""),
        (
            ("--timeout", "5"),
            2,
            "",
            "pybpf: error: --timeout is about what goes on, and tasks shows what is there now\n",
        ),
        (
            ("--max-events", "5"),
            2,
            "",
            "pybpf: error: --max-events is about what goes on, and tasks shows what is there now\n",
        ),
    ],
)
def test_run(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    status: int,
    out: str,
    err: str,
) -> None:
    def build(self: Any, program: Any, values: Any, *, passes: Any) -> None:
        self.name = program.name

    monkeypatch.setattr(HostBuild, "__init__", build)
    monkeypatch.setattr(iterate, "Running", Played)
    monkeypatch.setattr(Iterator, "read", lambda self: b"1 init\n2 \\xff\n")
    path = tmp_path / "tasks.py"
    path.write_text(PROGRAM)
    assert main(["run", *words, str(path)]) == status
    assert tuple(capfd.readouterr()) == (out, err)
