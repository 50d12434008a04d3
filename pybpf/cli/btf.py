"""`pybpf btf`: the types of kernels, objects and loaded programs; and which of them programs need."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pybpf import btf
from pybpf.cli.arguments import Parser, choice
from pybpf.cli.files import write
from pybpf.errors import BpfError, BtfError, UsageError, near

if TYPE_CHECKING:
    from pybpf.btf import Btf, Type
    from pybpf.spec import Target

__all__ = ["add_arguments", "run"]

_SOURCES = """\
a FILE that types are read from is one of
  kernel                  the running kernel's (the default)
  reference               the cut-out of a kernel's that ships with pybpf
  module:NAME             a loaded module's
  prog:ID, map:ID, id:ID  what a program or map was loaded with; any loaded BTF
  or a path               raw BTF, or an ELF object or vmlinux with a section .BTF; either of them also
                          compressed (gzip, bzip2, xz, zstd) or in a tar archive
"""
_ACTIONS = {
    "dump": "definitions of types, or of all",
    "list": "names, kinds and sizes of types",
    "extract": "the smallest BTF with which programs still lower",
    "check": "whether programs lower with each of several BTFs",
    "diff": "what differs between two BTFs in what programs use",
}


def add_arguments(parser: Parser, words: Sequence[str]) -> None:
    """The first word says which of the actions, and so which arguments follow."""
    action = next((word for word in words if not word.startswith("-")), None)
    if "--which" in words:
        parser.add_argument("--which", action="store_true", help="say where a kernel's types are looked for")
        parser.set_defaults(action="which")
        return
    lines = "\n".join(f"  {name:<8} {text}" for name, text in _ACTIONS.items())
    parser.usage = f"{parser.prog} {{{','.join(_ACTIONS)}}} … | --which"
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"actions:\n{lines}\n\n{_SOURCES}"
    parser.add_argument("action", metavar="ACTION", help="one of those below")
    if action is None:
        return
    if action not in _ACTIONS:
        raise UsageError(f"no action {action!r}{near(action, _ACTIONS)}: {', '.join(_ACTIONS)}")
    _ARGUMENTS[action](parser)


def _dump_arguments(parser: Parser) -> None:
    parser.usage = f"{parser.prog} dump [NAME…] [--format c|raw|json|layout] [--btf FILE]"
    parser.add_argument("names", metavar="NAME", nargs="*", help="such as 'struct file', u64, vfs_read()")
    formats = choice("c", "raw", "json", "layout")
    parser.add_argument("--format", metavar="FORMAT", type=formats, default="c", help="c, raw, json, layout")
    parser.add_argument("--btf", metavar="FILE", default="kernel", help="where from (default: this kernel's)")


def _list_arguments(parser: Parser) -> None:
    parser.usage = f"{parser.prog} list [PATTERN…] [--kind KIND] [--btf FILE]"
    parser.add_argument("names", metavar="PATTERN", nargs="*", help="names such as 'ext4_*' (default: all)")
    parser.add_argument("--kind", metavar="KIND", help="such as struct, func, typedef")
    parser.add_argument("--btf", metavar="FILE", default="kernel", help="where from (default: this kernel's)")


def _extract_arguments(parser: Parser) -> None:
    parser.usage = f"{parser.prog} extract PROGRAM… -o OUT [--from FILE] [--type NAME]…"
    parser.add_argument("names", metavar="PROGRAM", nargs="*", help="programs by name or file")
    parser.add_argument(
        "--type",
        metavar="NAME",
        action="append",
        default=[],
        help="also this: 'struct file', 'struct file.f_path.dentry', 'struct file.*', 'vfs_read()'",
    )
    parser.add_argument("--from", dest="btf", metavar="FILE", default="kernel", help="of which kernel")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the file to write")


def _check_arguments(parser: Parser) -> None:
    parser.usage = f"{parser.prog} check PROGRAM… [--btf FILE…]"
    parser.add_argument("names", metavar="PROGRAM", nargs="+", help="programs by name or file")
    parser.add_argument("--btf", metavar="FILE", nargs="+", default=["kernel"], help="of which kernels")


def _diff_arguments(parser: Parser) -> None:
    parser.usage = f"{parser.prog} diff FILE FILE [PROGRAM…]"
    parser.add_argument("old", metavar="FILE", help="the one kernel's")
    parser.add_argument("new", metavar="FILE", help="the other's")
    parser.add_argument("names", metavar="PROGRAM", nargs="*", help="what to compare (default: all structs)")


_ARGUMENTS = {
    "dump": _dump_arguments,
    "list": _list_arguments,
    "extract": _extract_arguments,
    "check": _check_arguments,
    "diff": _diff_arguments,
}


def run(args: argparse.Namespace) -> int:
    """The status of `check` is 1 when a program does not lower, that of `diff` when something differs."""
    actions = {
        "which": _which,
        "dump": _dump,
        "list": _list,
        "extract": _extract,
        "check": _check,
        "diff": _diff,
    }
    return actions[args.action](args)


def _source(text: str) -> Btf:
    if text == "kernel":
        return btf.kernel()
    if text == "reference":
        return btf.reference()
    kind, colon, rest = text.partition(":")
    if colon and kind == "module":
        return btf.module(rest)
    if colon and kind in ("prog", "map", "id") and not os.path.exists(text):
        from pybpf.inspect.live_btf import btf_by_id, btf_of_map, btf_of_program

        if not rest.isdecimal():
            raise UsageError(f"{text!r}: the id is a number, such as {kind}:7")
        return {"prog": btf_of_program, "map": btf_of_map, "id": btf_by_id}[kind](int(rest))
    return btf.load(text)


def _which(args: argparse.Namespace) -> int:
    taken = False
    for path in btf.places():
        there = os.path.exists(path)
        state = "taken" if there and not taken else "there" if there else "not there"
        taken |= there
        print(f"{state:<10} {path}")
    return 0


def _dump(args: argparse.Namespace) -> int:
    from pybpf.btf.describe import as_text, describe
    from pybpf.btf.dump_c import dump_c, header
    from pybpf.btf.layout import show

    source = _source(args.btf)
    types = [_named(source, name) for name in args.names]
    if args.format == "json":
        rows = [describe(type) for type in (types or source)]
        sys.stdout.write(json.dumps({"types": rows}) + "\n")
    elif args.format == "raw":
        sys.stdout.writelines(f"{as_text(type)}\n" for type in (types or source))
    elif args.format == "layout":
        chosen = types or [type for type in source if type.kind in ("struct", "union") and type.name]
        sys.stdout.write("\n\n".join(show(type.resolve()) for type in chosen) + "\n")
    elif types:
        functions = [type for type in types if type.kind == "func"]
        sys.stdout.writelines(dump_c([type for type in types if type.kind != "func"]))
        sys.stdout.writelines(f"{func.target.declare(func.name)};\n" for func in functions)
    else:
        sys.stdout.writelines(header(source))
    return 0


def _named(source: Btf, name: str) -> Type:
    # A function is asked for as `vfs_read()`, and as a record of its own, not as its prototype.
    if not name.endswith("()"):
        return source[name]
    source.function(name[:-2])
    return next(source.functions(name[:-2]))


def _list(args: argparse.Namespace) -> int:
    from fnmatch import fnmatchcase

    from pybpf.inspect.tables import table

    rows = [
        (type.id, type.kind, type.size or "", type.key)
        for type in _source(args.btf)
        if type.name
        and (not args.kind or type.kind == args.kind)
        and (not args.names or any(fnmatchcase(type.name, pattern) for pattern in args.names))
    ]
    if not rows:
        raise BtfError("no type has such a name" + (f" and the kind {args.kind!r}" if args.kind else ""))
    sys.stdout.write(table(("ID", "KIND", "SIZE", "NAME"), rows))
    return 0


def _extract(args: argparse.Namespace) -> int:
    from pybpf.btf.extract import extract

    if not (args.names or args.type):
        raise UsageError("nothing to extract: give programs, or types with --type")
    source = _source(args.btf)
    asked: set[tuple[int, str] | str] = {*args.type, *_asked(source, args.names)}
    data = extract(source, asked)
    write(args.output, data)
    print(f"pybpf: {len(btf.parse(data)) - 1} types in {len(data)} bytes: {args.output}", file=sys.stderr)
    return 0


def _asked(source: Btf, programs: Iterable[str]) -> set[tuple[int, str]]:
    # What programs ask of a kernel's types, lowered with their parameters open.
    from pybpf.dsl import lower
    from pybpf.gadget.programs import load

    with source.recording() as asked:
        for name in programs:
            lower(load(name).declarations, {}, _target(source))
    return asked


def _target(source: Btf) -> Target:
    from pybpf.spec import Target

    return Target(source.name, source, portable=True)


def _check(args: argparse.Namespace) -> int:
    status = 0
    for path in args.btf:
        source = _source(path)
        for name in args.names:
            try:
                _asked(source, [name])
            except BpfError as error:
                status = 1
                print(f"{path}: {name}: no\n{error}")
            else:
                print(f"{path}: {name}: yes")
    return status


def _diff(args: argparse.Namespace) -> int:
    from pybpf.btf.compare import by_name, differences, every_struct

    old, new = _source(args.old), _source(args.new)
    asked = set(by_name(old, _asked(old, args.names)) if args.names else every_struct(old, new))
    rows = list(differences(old, new, asked))
    print(f"--- {args.old}\n+++ {args.new}")
    for row in rows:
        print(f"{row.name}\n  - {row.old}\n  + {row.new}")
    print(f"pybpf: {len(rows)} of {len(asked)} differ", file=sys.stderr)
    return 1 if rows else 0
