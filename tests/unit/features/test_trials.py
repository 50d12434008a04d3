"""Types of programs and maps, helpers and kinds of attachment: what is concluded from a kernel's answers."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Any

import pytest

from pybpf import btf, link
from pybpf.errors import SyscallError, UnsupportedFeature
from pybpf.features import attach_kinds, feature, helper_calls, map_types, program_types
from pybpf.features.attach_kinds import ATTACH_KINDS, attach_kind
from pybpf.features.feature import Feature
from pybpf.features.map_types import MAP_TYPES, map_type
from pybpf.features.program_types import PROGRAM_TYPES, program_type
from pybpf.uapi import bpf
from pybpf.uapi.helpers import HELPERS

OLDER = "this kernel is older, or was built without it"
KEPT = (program_type, map_type, attach_kind, helper_calls.can_call, helper_calls.asked)
KEPT_TOO = (helper_calls._fields, helper_calls._target)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    def forget() -> None:
        for each in (*KEPT, *KEPT_TOO):
            each.cache_clear()

    forget()
    yield
    forget()


def kernel(
    monkeypatch: pytest.MonkeyPatch, code: int, log: bytes = b"", lacking: tuple[str, ...] = ()
) -> None:
    """One that refuses all, with this error and verifier's log."""

    def command(number: int, **fields: Any) -> int:
        if number == bpf.BPF_PROG_LOAD and "log_buf" in fields:
            fields["log_buf"][: len(log)] = log
        raise SyscallError("bpf", code, "the cure", lacking)

    monkeypatch.setattr(feature, "command", command)
    monkeypatch.setattr(map_types, "command", command)
    monkeypatch.setattr(attach_kinds, "command", command)


@pytest.mark.parametrize(
    ("code", "log", "lacking", "found"),
    [
        (errno.EINVAL, b"", (), Feature("xdp", "4.8", OLDER)),
        (errno.EINVAL, b"R0 !read_ok\n", (), Feature("xdp", "4.8")),  # the verifier has looked at it
        (524, b"", (), Feature("xdp", "4.8")),
        (errno.EPERM, b"", (), Feature("xdp", "4.8", "the cure")),
        (errno.EPERM, b"", ("CAP_BPF",), Feature("xdp", "4.8", "the cure", known=False)),
    ],
)
def test_a_type_of_program(
    monkeypatch: pytest.MonkeyPatch, code: int, log: bytes, lacking: tuple[str, ...], found: Feature
) -> None:
    kernel(monkeypatch, code, log, lacking)
    assert program_type("xdp") == found


@pytest.mark.parametrize(
    ("code", "lacking", "found"),
    [
        (errno.EINVAL, (), Feature("array_of_maps", "4.12", OLDER)),
        (524, (), Feature("array_of_maps", "4.12")),
        (errno.EPERM, (), Feature("array_of_maps", "4.12", "the cure")),
        (errno.EPERM, ("CAP_BPF",), Feature("array_of_maps", "4.12", "the cure", known=False)),
    ],
)
def test_a_type_of_map(
    monkeypatch: pytest.MonkeyPatch, code: int, lacking: tuple[str, ...], found: Feature
) -> None:
    kernel(monkeypatch, code, lacking=lacking)
    assert map_type("array_of_maps") == found
    assert found.state is (None if lacking else not found.why)


@pytest.mark.parametrize(
    ("log", "there"),
    [
        (b"unknown func bpf_get_stack#67\n", False),
        (b"invalid func unknown#67\n", False),
        (b"program of this type cannot use helper bpf_get_stack#67\n", False),
        (b"R1 type=ctx expected=map_ptr\n", True),
        (b"", None),
    ],
)
def test_a_helper(monkeypatch: pytest.MonkeyPatch, log: bytes, there: bool | None) -> None:
    kernel(monkeypatch, errno.EACCES, log)
    assert helper_calls.can_call("get_stack", "kprobe") is there
    assert helper_calls.helpers("kprobe") == ([n.partition("_")[2] for n in HELPERS] if there else [])


def test_without_privilege_no_helper_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(monkeypatch, errno.EPERM, lacking=("CAP_PERFMON",))
    with pytest.raises(SyscallError, match="the cure"):
        helper_calls.helpers("kprobe")


def test_programs_with_a_target_are_not_tried_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise UnsupportedFeature("BTF", "5.4")

    monkeypatch.setattr(btf, "kernel", none)
    assert helper_calls.can_call("get_stack", "tracing", bpf.BPF_TRACE_FENTRY) is None


@pytest.mark.parametrize(
    ("kind", "code", "there"),
    [
        ("raw_tracepoint", errno.ENOENT, True),
        ("raw_tracepoint", errno.EINVAL, False),
        ("tc", errno.ENODEV, True),
        ("tc", errno.EINVAL, False),
    ],
)
def test_what_is_tried_on_something_that_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, kind: str, code: int, there: bool
) -> None:
    kernel(monkeypatch, code)
    monkeypatch.setattr(attach_kinds, "trial", lambda code, **fields: (tmp_path / "program").open("w"))
    assert attach_kind(kind).state is there


def test_all_that_the_kernel_has_names_for_is_tried() -> None:
    def names(kind: str) -> set[str]:
        prefix = f"BPF_{kind}_TYPE_"
        return {name[len(prefix) :].lower() for name in vars(bpf) if name.startswith(prefix)} - {"unspec"}

    assert set(PROGRAM_TYPES) == names("PROG")
    assert set(MAP_TYPES) == {name for name in names("MAP") if not name.endswith("_deprecated")}


def test_each_kind_of_attachment_has_its_row() -> None:
    assert {name.partition("/")[0] for name in link.KINDS} <= set(ATTACH_KINDS)


def test_the_types_stand_in_the_order_in_which_they_came() -> None:
    for table in (PROGRAM_TYPES, MAP_TYPES):
        versions = [tuple(map(int, row.since.split("."))) for row in table.values()]
        assert versions == sorted(versions)
    assert program_types.PROGRAM_TYPES["kprobe"].since == "4.1"
