"""C declarations: from a type to its text, and from `struct dentry *` to a base type and pointers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.types import Type

__all__ = ["base_name", "declare", "is_base", "split"]

# More nesting or text than C code has: the BTF is damaged (types that contain themselves).
_MAX_DEPTH = 64
_MAX_TEXT = 1 << 16

_QUALIFIERS = ("const", "volatile", "restrict")


def _base_text(type: Type) -> str:
    return type.key if type.name else f"{type.key.split()[0]} {{...}}"


def declare(
    type: Type, name: str = "", base: Callable[[Type], str] = _base_text, flexible: str = "[]"
) -> str:
    """C that declares `name` as `type`; without a name, the type as a cast would have it.

    `base` gives the text of what stands at the bottom: a struct, enum, typedef, base type, void. An array
    of no elements is written as `flexible`.
    """
    return _Declarer(base, flexible).declare(type, name, _MAX_DEPTH)


class _Declarer:
    def __init__(self, base: Callable[[Type], str], flexible: str) -> None:
        self._base = base
        self._flexible = flexible
        self._left = _MAX_TEXT

    def declare(self, type: Type, name: str, depth: int) -> str:
        # C declarators grow around the name from the inside out: pointers to its left, arrays and
        # parameters to its right, with parentheses where a pointer meets one of the latter.
        prefix = ""
        while True:
            depth -= 1
            if depth < 0:
                raise BtfError(f"damaged BTF: no end to the declaration of type #{type.id}")
            kind = type.kind
            if kind == "ptr":
                name = f"*{_join(prefix, name)}"
                prefix = ""
            elif kind in _QUALIFIERS:
                # A second one of the same kind says nothing more.
                prefix = prefix if kind in prefix.split() else f"{kind} {prefix}".strip()
            elif kind in ("array", "func_proto"):
                if name.startswith("*"):
                    name = f"({name})"
                name += self._array(type) if kind == "array" else self._parameters(type, depth)
            elif kind != "type_tag":
                return _join(_join(prefix, self._base(type)), name)
            type = type.returns if kind == "func_proto" else type.target

    def _array(self, type: Type) -> str:
        return f"[{type.count}]" if type.count else self._flexible

    def _parameters(self, proto: Type, depth: int) -> str:
        texts = []
        for parameter in proto.parameters:
            name = parameter.name
            texts.append("..." if name == "..." else self.declare(parameter.type, name, depth))
            self._left -= len(texts[-1])
            if self._left < 0:
                raise BtfError(f"damaged BTF: no end to the declaration of type #{proto.id}")
        return f"({', '.join(texts) or 'void'})"


def _join(left: str, right: str) -> str:
    return f"{left} {right}" if left and right and not right.startswith("[") else left + right


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """A declaration as its base type and what stands around it: `("struct dentry", ("*",))`.

    What stands around follows from the inside out: `*`, `const`, `volatile`, `restrict`.
    """
    head, *rest = text.replace("*", " * ").split("*")
    words = head.split()
    around = [word for word in words if word in _QUALIFIERS]
    base = [word for word in words if word not in _QUALIFIERS]
    for part in rest:
        around += ["*", *part.split()]
    names = bool(base) and all(word.isidentifier() for word in base)
    if not names or not {*_QUALIFIERS, "*"}.issuperset(around):
        raise BtfError(f"{text!r} is no C type that can be read: such as 'const struct file *'")
    return " ".join(base), tuple(around)


# What compilers call the types that C lets one write in many ways, by their words in order of the alphabet.
_BASES = {
    "char": "char",
    "char signed": "signed char",
    "char unsigned": "unsigned char",
    "short": "short int",
    "short unsigned": "short unsigned int",
    "": "int",
    "unsigned": "unsigned int",
    "long": "long int",
    "long unsigned": "long unsigned int",
    "long long": "long long int",
    "long long unsigned": "long long unsigned int",
}
_OTHER_BASES = frozenset(["void", "_Bool", "__int128", "__int128 unsigned", "float", "double", "long double"])
_WORDS = frozenset(["char", "short", "int", "long", "signed", "unsigned"])


def base_name(name: str) -> str:
    """The compiler's name of a C type: `unsigned long` is `long unsigned int`; other names as they are."""
    words = name.split()
    if not words or not _WORDS.issuperset(words):
        return name
    canonical = sorted(word for word in words if word != "int" and (word != "signed" or "char" in words))
    return _BASES.get(" ".join(canonical), name)


def is_base(name: str) -> bool:
    """Whether a C compiler knows `name` by itself."""
    return name in _OTHER_BASES or base_name(name) in _BASES.values()
