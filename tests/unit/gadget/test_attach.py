"""What is attached when functions are missing or refuse; the kernel itself is played."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pybpf.errors import LoadError, SyscallError
from pybpf.gadget import attach as module
from pybpf.gadget.attach import Attachments
from pybpf.link import Missing, Resolved
from pybpf.spec import Attach, Function, ObjectSpec, ProgramSpec, functions


class Kernel:
    """Knows some functions, of which some can't be probed; writes down what is attached and detached."""

    def __init__(self, names: str, refused: str = "") -> None:
        self.names = names.split()
        self.refused = refused.split()
        self.log: list[str] = []

    def resolve(self, wanted: Any, kind: str) -> Resolved:
        wanted = tuple(wanted)
        found = [next((name for name in each.names if name in self.names), None) for each in wanted]
        missing = [
            Missing(each.names[0], "it is not there")
            for each, name in zip(wanted, found)
            if name is None and not each.optional
        ]
        return Resolved(tuple(filter(None, found)), tuple(missing))

    def attach(self, kind: str, program: int, symbol: str, *options: int) -> Any:
        if f"{kind}:{symbol}" in self.refused:
            raise LoadError(f"{kind} {symbol}: it can't be probed", symbol)
        if "EPERM" in self.refused:
            raise SyscallError("perf_event_open", 1, "be root")
        self.log.append(f"+{kind}:{symbol}")
        return _Link(self.log, f"-{kind}:{symbol}")


class _Link:
    def __init__(self, log: list[str], line: str) -> None:
        self.log, self.line = log, line

    def __enter__(self) -> _Link:
        return self

    def missed(self) -> int | None:
        return None

    def __exit__(self, *error: object) -> None:
        self.log.append(self.line)


def an_object(*where: str) -> ObjectSpec:
    programs = []
    for number, text in enumerate(where):
        for kind in ("kprobe", "kretprobe"):
            programs.append(ProgramSpec(f"p{number}_{kind}", 2, (), Attach(kind, functions(text))))
    return ObjectSpec("test", tuple(programs), ())


def loaded(spec: ObjectSpec) -> Any:
    return SimpleNamespace(programs={each.name: _Program(each) for each in spec.programs})


class _Program:
    def __init__(self, spec: ProgramSpec) -> None:
        self.spec = spec

    def fileno(self) -> int:
        return 0

    def misses(self) -> int:
        return 0


@pytest.fixture(autouse=True)
def _kprobes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.features, "require", lambda feature: None)
    monkeypatch.setattr(module.kprobe_events, "sweep", list)


def run(
    monkeypatch: pytest.MonkeyPatch, kernel: Kernel, spec: ObjectSpec, strict: bool = False
) -> tuple[list[str], list[str], Attachments]:
    monkeypatch.setattr(module, "resolve", kernel.resolve)
    monkeypatch.setattr(module, "attach", kernel.attach)
    warnings: list[str] = []
    attachments = Attachments(spec, strict=strict, warn=warnings.append)
    needed = attachments.needed(spec)
    attachments.attach(loaded(needed))
    return [program.name for program in needed.programs], warnings, attachments


def test_exit_before_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a b2")
    programs, warnings, attachments = run(monkeypatch, kernel, an_object("a", "b1|b2", "c?"))
    assert programs == ["p0_kprobe", "p0_kretprobe", "p1_kprobe", "p1_kretprobe"]
    assert (warnings, attachments.attached) == ([], ["a", "b2"])
    assert kernel.log == ["+kretprobe:a", "+kprobe:a", "+kretprobe:b2", "+kprobe:b2"]
    kernel.log.clear()
    attachments.close()
    assert kernel.log == ["-kprobe:b2", "-kretprobe:b2", "-kprobe:a", "-kretprobe:a"]


def test_two_functions_of_one_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a1 a2")
    _, _, attachments = run(monkeypatch, kernel, an_object("a1,a2?"))
    assert attachments.attached == ["a1", "a2"]


def test_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    programs, warnings, attachments = run(monkeypatch, Kernel("a"), an_object("a", "b"))
    assert programs == ["p0_kprobe", "p0_kretprobe"]
    assert warnings == ["b is not traced: it is not there"]
    assert attachments.attached == ["a"]


def test_one_is_missing_when_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a")
    with pytest.raises(LoadError) as raised:
        run(monkeypatch, kernel, an_object("a", "b"), strict=True)
    assert str(raised.value) == "not all of the places can be traced: b: it is not there"
    assert kernel.log == []


def test_all_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LoadError) as raised:
        run(monkeypatch, Kernel(""), an_object("a", "b"))
    assert str(raised.value) == "none of the places can be traced: a, b: it is not there"


def test_an_entry_that_is_refused_takes_its_exit_along(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a b", refused="kprobe:a")
    _, warnings, attachments = run(monkeypatch, kernel, an_object("a", "b"))
    assert kernel.log == ["+kretprobe:a", "-kretprobe:a", "+kretprobe:b", "+kprobe:b"]
    assert warnings == ["a is not traced: kprobe a: it can't be probed"]
    assert attachments.attached == ["b"]


def test_another_back_end_is_attached_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a b", refused="fentry:a kprobe.multi:a")
    monkeypatch.setattr(module, "resolve", kernel.resolve)
    monkeypatch.setattr(module, "attach", kernel.attach)
    places = functions("a,b")
    spec = ObjectSpec("test", tuple(programs_of(("fexit", "fentry"), places)), ())
    asked: list[str] = []

    def instead(place: Function, symbol: str, why: str) -> list[Any]:
        asked.append(f"{symbol}: {why}")
        kinds = (("kretprobe.multi", "kprobe.multi"), ("kretprobe", "kprobe"))[len(asked) - 1]
        return [_Program(each) for each in programs_of(kinds, (place,))]

    attachments = Attachments(spec, strict=True, warn=asked.append)
    attachments.attach(loaded(spec), instead)
    assert kernel.log == [
        *("+fexit:a", "-fexit:a", "+kretprobe.multi:a", "-kretprobe.multi:a", "+kretprobe:a", "+kprobe:a"),
        *("+fexit:b", "+fentry:b"),
    ]
    assert asked == ["a: fentry a: it can't be probed", "a: kprobe.multi a: it can't be probed"]
    assert attachments.attached == ["a", "b"]


def programs_of(kinds: tuple[str, ...], places: tuple[Function, ...]) -> list[ProgramSpec]:
    return [ProgramSpec(kind.replace(".", "_"), 2, (), Attach(kind, places)) for kind in kinds]


def test_functions_that_a_back_end_can_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a b")
    monkeypatch.setattr(module, "resolve", kernel.resolve)
    said: list[str] = []
    spec = an_object("a", "b")
    attachments = Attachments(spec, strict=False, warn=said.append, impossible={"b": "fentry: no BTF"})
    assert [each.name for each in attachments.needed(spec).programs] == ["p0_kprobe", "p0_kretprobe"]
    assert said == ["b is not traced: fentry: no BTF"]
    with pytest.raises(LoadError, match=r"^none of the places can be traced: a, b: fentry: none$"):
        Attachments(
            spec, strict=False, warn=said.append, impossible={"a": "fentry: none", "b": "fentry: none"}
        )


def test_what_could_not_run_is_counted_by_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link counts for its place, a program for all to which it is attached; also when all has ended."""
    kernel = Kernel("a b c")
    monkeypatch.setattr(module, "resolve", kernel.resolve)
    monkeypatch.setattr(module, "attach", kernel.attach)
    monkeypatch.setattr(_Link, "missed", lambda self: 2 if "kretprobe:b" in self.line else None)
    monkeypatch.setattr(_Program, "misses", lambda self: 5 if self.spec.name == "p0_kprobe" else 0)
    spec = an_object("a,b", "c")
    attachments = Attachments(spec, strict=True, warn=print)
    attachments.attach(loaded(spec))
    assert attachments.missed() == {"b": 2, "a, b": 5}
    monkeypatch.setattr(_Link, "missed", lambda self: 3)
    attachments.close()
    monkeypatch.setattr(_Link, "missed", lambda self: 4)
    assert attachments.missed() == {"a": 6, "b": 6, "c": 6, "a, b": 5}


def test_all_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel("a", refused="kretprobe:a")
    with pytest.raises(LoadError, match=r"^none of the places can be traced: a: kretprobe a: it can't"):
        run(monkeypatch, kernel, an_object("a"))


def test_what_no_other_function_would_help_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SyscallError, match="be root"):
        run(monkeypatch, Kernel("a b", refused="EPERM"), an_object("a", "b"))


def test_functions_are_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's symbols are a long text: it is searched once."""
    asked: list[tuple[Function, ...]] = []
    kernel = Kernel("a b")
    resolve = kernel.resolve

    def counted(wanted: Any, kind: str) -> Resolved:
        asked.append(tuple(wanted))
        return resolve(asked[-1], kind)

    monkeypatch.setattr(kernel, "resolve", counted)
    run(monkeypatch, kernel, an_object("a", "b"))
    assert asked == [(Function(("a",)), Function(("b",)))]
