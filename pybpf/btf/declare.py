"""C declarations: from a type to its text, and from `struct dentry *` to a base type and pointers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybpf.errors import BtfError

if TYPE_CHECKING:
    from pybpf.btf.types import Type

__all__ = ["base_name", "declare", "split"]

# More nesting or text than C code has: the BTF is damaged (types that contain themselves).
_MAX_DEPTH = 64
_MAX_TEXT = 1 << 16

_QUALIFIERS = ("const", "volatile", "restrict")


def declare(type: Type, name: str = "") -> str:
    """C that declares `name` as `type`; without a name, the type as a cast would have it."""
    return _declare(type, name, _MAX_DEPTH)


def _declare(type: Type, name: str, depth: int) -> str:
    # C declarators grow around the name from the inside out: pointers to its left, arrays and parameters
    # to its right, with parentheses where a pointer meets one of the latter.
    prefix = ""
    while True:
        depth -= 1
        if depth < 0 or len(name) > _MAX_TEXT:
            raise BtfError(f"damaged BTF: no end to the declaration of type #{type.id}")
        kind = type.kind
        if kind == "ptr":
            name = f"*{_space(prefix, name)}"
            prefix = ""
        elif kind in _QUALIFIERS:
            # A second one of the same kind says nothing more.
            prefix = prefix if kind in prefix.split() else f"{kind} {prefix}".strip()
        elif kind in ("array", "func_proto"):
            if name.startswith("*"):
                name = f"({name})"
            name += f"[{type.count or ''}]" if kind == "array" else f"({_parameters(type, depth)})"
        elif kind != "type_tag":
            break
        type = type.returns if kind == "func_proto" else type.target
    base = type.key if type.name else f"{type.kind} {{...}}"
    return _space(_space(prefix, base), name)


def _space(left: str, right: str) -> str:
    if left and right and not right.startswith("["):
        return f"{left} {right}"
    return left + right


def _parameters(proto: Type, depth: int) -> str:
    texts = []
    length = 0
    for parameter in proto.parameters:
        text = "..." if parameter.name == "..." else _declare(parameter.type, parameter.name, depth)
        texts.append(text)
        length += len(text)
        if length > _MAX_TEXT:
            raise BtfError(f"damaged BTF: no end to the declaration of type #{proto.id}")
    return ", ".join(texts) or "void"


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """A declaration with its base type and what stands around it: `("struct dentry", ("*",))`.

    Reads base types, pointers and qualifiers: `const char *const *`. What is read from left to right
    follows in the tuple from the inside out: `*`, `const`, `volatile`, `restrict`.
    """
    head, *rest = text.replace("*", " * ").split("*")
    words = head.split()
    around = [word for word in words if word in _QUALIFIERS]
    base = " ".join(word for word in words if word not in _QUALIFIERS)
    for part in rest:
        around.append("*")
        for word in part.split():
            if word not in _QUALIFIERS:
                raise BtfError(f"{text!r} is no C type that can be read: such as 'const struct file *'")
            around.append(word)
    if not base or not all(word.isidentifier() for word in base.split()):
        raise BtfError(f"{text!r} is no C type that can be read: such as 'const struct file *'")
    return base, tuple(around)


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
_BASE_WORDS = frozenset(["char", "short", "int", "long", "signed", "unsigned"])


def base_name(name: str) -> str:
    """The compiler's name of a C type: `unsigned long` is `long unsigned int`; other names as they are."""
    words = name.split()
    if not _BASE_WORDS.issuperset(words):
        return name
    canonical = sorted(word for word in words if word != "int" and (word != "signed" or "char" in words))
    return _BASES.get(" ".join(canonical), name)
