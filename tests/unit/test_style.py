"""The shape of the source: import arrows, sizes, public names, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PYBPF = Path(__file__).parents[2] / "pybpf"
LONGEST = 400

# Which packages each may import (DESIGN.md, "Floors"): these, and what these may import.
# `errors`, `source` and `cache` are open to all; `cli` may import anything, and nothing imports `cli`.
ARROWS = {
    "errors": "",
    "source": "",
    "cache": "",
    "uapi": "",
    "isa": "uapi",
    "asm": "isa",
    "btf": "uapi",
    "sys": "uapi",
    "spec": "asm btf",
    "codegen": "spec asm isa btf",
    "dsl": "codegen spec btf asm",
    "helpers": "dsl",
    "vm": "spec asm isa btf",
    "testing": "vm dsl",
    "elf": "spec btf asm",
    "features": "sys elf asm btf spec",
    "containers": "sys",
    "maps": "sys spec btf",
    "link": "sys features elf spec btf",
    "load": "maps link features spec asm",
    "events": "sys maps spec",
    "inspect": "spec asm btf sys",
    "gadget": "load events containers elf inspect vm dsl helpers testing",
    "cli": "gadget",
}
# The public names, found when they are first used.
ROOM_AT_THE_TOP = "__init__"

FILES = sorted(path for path in PYBPF.rglob("*.py") if "uapi" not in path.relative_to(PYBPF).parts)


def name_of(path: Path) -> str:
    return path.relative_to(PYBPF).as_posix()


def floor_of(path: Path) -> str:
    return path.relative_to(PYBPF).with_suffix("").parts[0]


def may_import(floor: str) -> set[str]:
    found = {floor, "errors", "source", "cache"}
    for below in ARROWS[floor].split():
        found |= may_import(below)
    return found


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The line and the full name of every module that a file imports, in functions too."""
    package = ("pybpf", *path.relative_to(PYBPF).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield node.lineno, module
            if module == "pybpf":
                for alias in node.names:
                    yield node.lineno, f"pybpf.{alias.name}"


def assigns_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(getattr(name, "id", "") == "__all__" for name in node.targets)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_imports_only_floors_below_it(path: Path) -> None:
    floor = floor_of(path)
    if floor == ROOM_AT_THE_TOP:
        return
    allowed = may_import(floor)
    arrows = [(line, name.split(".")) for line, name in imported(path) if name.startswith("pybpf.")]
    wrong = [f"{line}: pybpf.{name[1]}" for line, name in arrows if name[1] not in {*allowed, "__version__"}]
    assert wrong == [], f"{floor} may import {', '.join(sorted(allowed))}"


def test_every_package_has_its_floor() -> None:
    assert {floor_of(path) for path in PYBPF.rglob("*.py")} - {ROOM_AT_THE_TOP, "__main__"} <= set(ARROWS)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_is_a_small_room(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", [path for path in FILES if not path.name.startswith("_")], ids=name_of)
def test_a_public_module_says_what_is_public(path: Path) -> None:
    assert [node for node in ast.parse(path.read_text()).body if assigns_all(node)]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_sys_makes_foreign_calls(path: Path) -> None:
    foreign = {"cffi", "_cffi_backend", "ctypes"} & {name for _, name in imported(path)}
    assert floor_of(path) == "sys" or not foreign


@pytest.mark.parametrize(
    "name", ["construct", "elftools", "cffi", "_cffi_backend", "argparse", "dataclasses", "re", "typing"]
)
def test_importing_pybpf_does_not_import(name: str) -> None:
    code = (
        "import sys; before = set(sys.modules); import pybpf, pybpf.cli; print(*(set(sys.modules) - before))"
    )
    modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert name not in modules
