"""`pybpf doctor`: which groups it shows, in which form, and its exit status; what is found is played."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest

from pybpf.cli import doctor, main
from pybpf.features import Feature
from pybpf.features.groups import Group
from pybpf.gadget.checkup import Answer, Checkup

GROUPS = {
    "maps": Group("Types of maps", lambda: [Feature("hash", "3.19"), Feature("rhash", "7.2", "older")]),
    "helpers": Group("Helpers", lambda: [Feature("kprobe", "4.1", value="get_stack")], lengthy=True),
}
HEAD = "Linux 6.1.0 on x86_64, as root\n\n"
MAPS = "Types of maps\n  ✓ hash\n  ✗ rhash (7.2)  older\n"
HELPERS = "Helpers\n  ✓ kprobe  get_stack\n"


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "GROUPS", GROUPS)
    monkeypatch.setattr(doctor, "overall", lambda: Answer(True, "programs can be loaded"))
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release="6.1.0", machine="x86_64"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("words", "out"),
    [
        ([], f"{HEAD}{MAPS}\n✓ programs can be loaded\n"),
        (["--show", "all"], f"{HEAD}{MAPS}\n{HELPERS}\n✓ programs can be loaded\n"),
        (["--show", "helpers"], f"{HEAD}{HELPERS}\n✓ programs can be loaded\n"),
    ],
)
def test_for_people(capsys: pytest.CaptureFixture[str], words: list[str], out: str) -> None:
    assert (main(["doctor", *words]), *capsys.readouterr()) == (0, out, "")


def test_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kernel"] == {"release": "6.1.0", "machine": "x86_64"}
    assert (found["works"], found["said"], list(found["groups"])) == (
        True,
        "programs can be loaded",
        ["helpers", "maps"],
    )
    assert found["groups"]["maps"] == [
        {"name": "hash", "works": True, "since": "3.19", "why": "", "value": ""},
        {"name": "rhash", "works": False, "since": "7.2", "why": "older", "value": ""},
    ]


@pytest.mark.parametrize(("works", "status", "mark"), [(True, 0, "✓"), (False, 1, "✗"), (None, 1, "?")])
def test_of_a_program(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    works: bool | None,
    status: int,
    mark: str,
) -> None:
    asked = []

    def checkup(program: object, values: dict[str, object]) -> Checkup:
        asked.append(values)
        return Checkup([("Types of maps", [Feature("hash", "3.19")])], Answer(works, "so it is"))

    monkeypatch.setattr(doctor, "checkup", checkup)
    assert main(["doctor", "trace_open", "--pid", "3"]) == status
    assert capsys.readouterr().out == f"{HEAD}Types of maps\n  ✓ hash\n\n{mark} so it is\n"
    assert asked == [{"pid": 3}]


def test_what_goes_without_a_program_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "trace_open", "--show", "maps"]) == 2
    assert capsys.readouterr().err == (
        "pybpf: error: --show is for all that the kernel can do: leave it out, or the program\n"
    )
