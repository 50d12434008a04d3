"""Reading a command line: argparse, with errors in pybpf's own form."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import NoReturn

from pybpf.errors import UsageError, near, near_names

__all__ = ["Parser", "add_btf", "choice", "count", "joined", "seconds", "size", "use_btf"]

# Options whose values may begin with a sign.
_SIGNED = ("--fields", "--sort")
_UNITS = {"": 0, "K": 10, "M": 20, "G": 30}


class _Formatter(argparse.HelpFormatter):
    """Finds out how wide the terminal is for a text alone: argparse makes one for each option, too."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)

    def format_help(self) -> str:
        import shutil

        self._width = shutil.get_terminal_size().columns - 2
        return super().format_help()


class Parser(argparse.ArgumentParser):
    """The parser of a command. Errors are raised as UsageError."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(
            prog=f"pybpf {command}",
            description=f"{description[0].upper()}{description[1:]}.",
            allow_abbrev=False,
            add_help=False,
            formatter_class=_Formatter,
        )
        self.add_argument("-h", "--help", action="help", help="show this")

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (`{self.prog} --help` shows what it takes)")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """The arguments; UsageError for what is unknown, with the names that are near."""
        args, unknown = self.parse_known_intermixed_args(words)
        if unknown:
            name = unknown[0].partition("=")[0]
            if not name.startswith("-"):
                self.error(f"unexpected argument {name!r}")
            self.error(f"no option {name!r}{self._near(name)}")
        return args

    def _near(self, name: str) -> str:
        # Dashes would make all options look alike.
        options = {option.lstrip("-"): option for action in self._actions for option in action.option_strings}
        found = [options[name] for name in near_names(name.lstrip("-"), options)]
        return f" (did you mean {' or '.join(found)}?)" if found else ""


def joined(words: Sequence[str]) -> list[str]:
    """`--sort -size` as `--sort=-size`: a sign before a field's name makes no option of it."""
    found: list[str] = []
    for word in words:
        if found and found[-1] in _SIGNED and word.startswith("-") and not word.startswith("--"):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def choice(*names: str) -> Callable[[str], str]:
    """The type of an option that takes one of `names`."""

    def convert(text: str) -> str:
        if text not in names:
            known = ", ".join(names)
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}{near(text, names)}")
        return text

    return convert


def seconds(text: str) -> float:
    """The type of an option that takes a time, such as `0.5`."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def size(text: str) -> int:
    """The type of an option that takes a number of bytes, such as `4096`, `512K` or `8M`."""
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "")
    value = int(number) << _UNITS[unit] if number.isdecimal() and unit in _UNITS else 0
    if not 0 < value < 1 << 31:
        raise argparse.ArgumentTypeError(f"{text!r} is no size above 0 and below 2G, such as 512K or 8M")
    return value


def count(text: str) -> int:
    """The type of an option that takes a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def add_btf(parser: Parser) -> None:
    """Let a command take `--btf FILE`; `use_btf` then sees to it."""
    parser.add_argument(
        "--btf",
        metavar="FILE",
        help="the types of this kernel, where it was built without them: raw BTF, or a vmlinux with it",
    )


def use_btf(args: argparse.Namespace) -> None:
    """Take the types of this kernel from the file that `--btf` names, if it does."""
    if args.btf:
        from pybpf.btf import use

        use(args.btf)
