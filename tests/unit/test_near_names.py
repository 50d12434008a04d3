"""Which names are suggested for one that is wrong."""

from __future__ import annotations

import pytest

from pybpf.errors import near, near_names

FIELDS = ["f_path", "f_pos", "f_pos_lock", "f_op", "f_ra", "f_ep", "f_mode"]
OPTIONS = ["--help", "--debug", "--min", "--pid", "--mntns", "--timeout", "-v", "-o"]
COMMANDS = ["list", "run", "inspect", "disasm", "btf", "asm", "new", "--help", "--debug"]


@pytest.mark.parametrize(
    ("name", "names", "found"),
    [
        ("f_paht", FIELDS, ["f_path"]),
        ("f_psoo", FIELDS, ["f_pos"]),
        ("f_pso", FIELDS, ["f_pos"]),
        ("mode", FIELDS, ["f_mode"]),
        ("dentry", FIELDS, []),
        ("--hlep", OPTIONS, ["--help"]),
        ("--timout", OPTIONS, ["--timeout"]),
        # That options begin alike is no likeness.
        ("--gid", OPTIONS, ["--pid"]),
        ("--xy", OPTIONS, []),
        ("-x", OPTIONS, []),
        ("--", OPTIONS, []),
        ("hlep", COMMANDS, ["--help"]),
        ("rum", COMMANDS, ["run"]),
        ("", COMMANDS, []),
        ("u46", ["u8", "u16", "u32", "u64"], ["u64", "u16"]),
        ("aaab", ["aaaa", "aaac", "aaad", "aaae"], ["aaae", "aaad", "aaac"]),
    ],
)
def test_near_names(name: str, names: list[str], found: list[str]) -> None:
    assert near_names(name, names) == found


def test_in_words() -> None:
    assert near("u46", ["u16", "u64"]) == " (did you mean 'u64' or 'u16'?)"
    assert near("x", ["u16"]) == ""
