"""The command line: what it prints, on which stream, and with which exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pybpf import cli
from pybpf.cli import main
from pybpf.cli.arguments import Parser
from pybpf.cli.program import add_program, program_of, values_of
from pybpf.errors import VerifierError

GOLDEN = Path(__file__).parents[2] / "data" / "golden"


def status_and_streams(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(words)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, text, err = status_and_streams(capsys, "--help")
    assert (status, err) == (0, "")
    assert text.startswith("usage: pybpf COMMAND [options]\n")
    for name, what in cli.COMMANDS.items():
        assert f"\n  {name:<11} {what}\n" in text
    assert status_and_streams(capsys) == (2, "", text + "pybpf: error: no command given\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_and_streams(capsys, "--version") == (0, "pybpf 0.1.0\n", "")


RUN_HELP = "(`pybpf run --help` shows what it takes)"

INSPECT_HELP = "(`pybpf inspect --help` shows what it takes)"

WRONG = {
    "rum": "no command 'rum' (did you mean 'run'?): `pybpf --help` shows all",
    "--hlep": "no option '--hlep' (did you mean '--help'?): `pybpf --help` shows all",
    "list x": "unexpected argument 'x' (`pybpf list --help` shows what it takes)",
    "run": "no program given: `pybpf list` shows all; a file is given by its path",
    "run trace_fslower": (
        "no program 'trace_fslower' (did you mean 'trace_fsslower'?): `pybpf list` shows all;"
        " a file is given by its path, such as ./my_probe.py"
    ),
    "run --min 0 trace_fsslower": "the program comes before its options: pybpf run PROGRAM --min …",
    "run trace_fsslower more": f"unexpected argument 'more' {RUN_HELP}",
    "run trace_fsslower --filesytem x": (f"no option '--filesytem' (did you mean --filesystem?) {RUN_HELP}"),
    "run trace_fsslower --timout=3": f"no option '--timout' (did you mean --timeout?) {RUN_HELP}",
    "run trace_fsslower -x": f"no option '-x' {RUN_HELP}",
    "run trace_fsslower --filesystem ext4 --path /": (
        "--filesystem and --path say the same: give one of them"
    ),
    "run trace_fsslower --filesystem ext5": (
        "--filesystem 'ext5' is not known (did you mean 'ext4'?);"
        " it is one of btrfs, ext4, fuse, nfs, ntfs3, xfs"
    ),
    "run trace_fsslower --min ten": "--min takes a whole number, not 'ten'",
    "run trace_fsslower --min -1": "--min takes a number from 0 to 18446744073709551615, not -1",
    "run trace_fsslower --pid 4294967296": "--pid takes a number from 0 to 4294967295, not 4294967296",
    "run trace_fsslower --comm 1234567890123456": (
        "--comm takes at most 15 bytes: '1234567890123456' has 16"
    ),
    "run trace_fsslower -o jsn": (
        "argument -o/--output: 'jsn' is not one of columns, json, jsonpretty, yaml, csv, none, raw"
        f" (did you mean 'json'?) {RUN_HELP}"
    ),
    "run trace_fsslower --fields proc.com": (
        "--fields: events have no field 'proc.com' (did you mean 'proc.comm'?)"
    ),
    "run trace_fsslower --filter delta_us>5,op==READ": (
        "--filter: 'READ' is no Op (did you mean 'F_READ'?)\n    delta_us>5,op==READ\n                   ^"
    ),
    "run trace_fsslower --top 5": (
        "--top needs an order: --sort -FIELD, for the greatest first; or --summary"
    ),
    "run trace_fsslower --interval 5": (
        "--interval is about what is held back: it goes with --sort, --summary or --hist"
    ),
    "run trace_fsslower --by op": "--by says what --summary tells apart: it goes with that",
    "run trace_fsslower --summary --fields op": (
        "--fields is about events, and --summary shows none: it takes --by"
    ),
    "run trace_fsslower --fields op -o raw": ("-o raw has whole records: --fields goes with all other forms"),
    "run trace_fsslower --summary -o raw": "-o raw is for records of events, and --summary shows none",
    "run trace_fsslower --summary --by pid": (
        "--by: events have no field 'pid' (did you mean 'proc.pid' or 'proc.parent.pid'?)"
    ),
    "run hist_blockio -o yaml": "-o yaml is for events, and hist_blockio has none: it takes columns and json",
    "run trace_fsslower --timeout 0": (f"argument --timeout: '0' is no number of seconds above 0 {RUN_HELP}"),
    "run trace_fsslower --timeout nan": (
        f"argument --timeout: 'nan' is no number of seconds above 0 {RUN_HELP}"
    ),
    "run trace_fsslower --max-events 0": (
        f"argument --max-events: '0' is no whole number above 0 {RUN_HELP}"
    ),
    "run trace_fsslower --max-events": f"argument --max-events: expected one argument {RUN_HELP}",
    "run trace_fsslower --buffer ring": (
        f"argument --buffer: 'ring' is not one of ringbuf, perf (did you mean 'ringbuf'?) {RUN_HELP}"
    ),
    "run trace_open --failed 1": "unexpected argument '1' (`pybpf run --help` shows what it takes)",
    "inspect trace_fsslower --show flow": (
        "argument --show: 'flow' is not one of programs, maps, flowchart, sequence, listing, all, schema, ir"
        f" (did you mean 'flowchart'?) {INSPECT_HELP}"
    ),
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], line: str) -> None:
    assert status_and_streams(capsys, *line.split()) == (2, "", f"pybpf: error: {WRONG[line]}\n")


def test_an_option_of_the_program_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    line = "inspect --show sequence --filesystem=xfs trace_fsslower"
    assert status_and_streams(capsys, *line.split()) == (
        0,
        (GOLDEN / "trace_fsslower.sequence.mmd").read_text(),
        "",
    )


@pytest.mark.parametrize("view", ["flowchart", "sequence"])
@pytest.mark.parametrize("buffer", ["ringbuf", "perf"])
def test_golden_diagrams(capsys: pytest.CaptureFixture[str], view: str, buffer: str) -> None:
    """The diagrams are derived from the bytecode, and equal for every file system and buffer."""
    golden = (GOLDEN / f"trace_fsslower.{view}.mmd").read_text()
    for filesystem in ("btrfs", "ext4", "fuse", "nfs", "ntfs3", "xfs"):
        line = f"inspect trace_fsslower --show {view} --buffer {buffer} --filesystem {filesystem}"
        assert status_and_streams(capsys, *line.split()) == (0, golden, "")


def test_inspect_shows_all(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = status_and_streams(capsys, "inspect", "trace_fsslower")
    assert (status, err) == (0, "")
    heads = [before for before, line in zip(out.splitlines(), out.splitlines()[1:]) if set(line) == {"-"}]
    assert heads == ["programs", "maps", "flowchart", "sequence", "listing"]


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = status_and_streams(capsys, "list")
    assert (status, err) == (0, "")
    assert out.splitlines()[0].split() == ["NAME", "DESCRIPTION", "FILE"]
    line = next(line for line in out.splitlines() if line.startswith("trace_fsslower "))
    assert "  Trace open, read, write, fsync and statfs operations slower than a threshold.  " in line


def test_help_teaches_the_options_of_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["run", "trace_fsslower", "--help"])
    assert raised.value.code == 0
    out = capsys.readouterr().out
    words = " ".join(out.split())
    assert words.startswith(
        "usage: pybpf run trace_fsslower [options] Trace open, read, write, fsync and statfs operations"
    )
    assert (
        "--filesystem NAME,... the file systems to trace, with commas between; auto for those that are"
        " mounted: btrfs, ext4, fuse, nfs, ntfs3, xfs (default: ext4)"
        " --path PATH trace the file system of this path"
    ) in words
    assert "--min MICROSECONDS only operations that took longer than this (default: 10000)" in words
    for option in ("--pid", "--tid", "--uid", "--gid", "--comm", "--mntns"):
        assert f"\n  {option} " in out


def test_a_bug_is_one_line_without_debug(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(words: Sequence[str]) -> int:
        raise RuntimeError("oops")

    monkeypatch.setattr(cli, "_run", broken)
    line = "pybpf: error: RuntimeError: oops (a bug in pybpf: --debug shows where)\n"
    assert status_and_streams(capsys, "list") == (1, "", line)
    with pytest.raises(RuntimeError, match="oops"):
        main(["list", "--debug"])


def test_a_program_with_an_error_is_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.py"
    path.write_text("x = 1 / 0\n")
    line = f"pybpf: error: {path}:1:1: ZeroDivisionError: division by zero\n    x = 1 / 0\n    ^\n"
    assert status_and_streams(capsys, "inspect", str(path)) == (1, "", line)


def test_a_parameter_named_as_an_option_of_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "my.py"
    path.write_text(
        "from pybpf import Events, Gadget, Param, Record, kprobe, u64\n"
        "gadget = Gadget('my', columns='a')\n"
        "timeout = Param('timeout', u64, 0, 'help')\n"
        "class Event(Record):\n    a: u64\n"
        "events = Events('events', Event)\n"
        "@kprobe('vfs_open')\ndef on_open():\n    pass\n"
    )
    line = (
        f"pybpf: error: {path}: the parameter 'timeout' has the name of an option of `pybpf run`: choose"
        " another name\n"
    )
    assert status_and_streams(capsys, "run", str(path)) == (2, "", line)


@pytest.mark.parametrize(("words", "values"), [((), {}), (("--failed",), {"failed": True})])
def test_a_flag_has_no_value(words: Sequence[str], values: dict[str, bool]) -> None:
    line = ["trace_open", *words]
    parser = Parser("run", "show events")
    add_program(parser, line)
    args = parser.parse_args(line)
    assert values_of(program_of(args), args) == values


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); from pybpf.cli import main; main(['--help']);"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert not loaded & {"argparse", "construct", "elftools", "_cffi_backend", "ast", "json"}
    assert {name for name in loaded if name.startswith("pybpf")} == {"pybpf", "pybpf.cli", "pybpf.errors"}


def test_a_closed_pipe_ends_quietly() -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        code = "import sys; from pybpf.cli import main; sys.exit(main(['inspect', 'trace_fsslower']))"
        done = subprocess.run([sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_debug_shows_the_whole_log_of_the_verifier(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(words: Sequence[str]) -> int:
        raise VerifierError("probe", "R0 !read_ok", "first\nsecond\nR0 !read_ok\n", lines=["R0 !read_ok"])

    monkeypatch.setattr(cli, "_run", refuse)
    short = (
        "pybpf: error: the verifier rejected probe: R0 !read_ok\n"
        "    R0 !read_ok\n"
        "    (2 lines omitted; --debug shows the whole log)\n"
    )
    assert status_and_streams(capsys, "run") == (1, "", short)
    with pytest.raises(VerifierError):
        main(["run", "--debug"])
    assert capsys.readouterr().err == "first\nsecond\nR0 !read_ok\n"
