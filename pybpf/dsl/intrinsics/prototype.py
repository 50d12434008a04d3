"""What a helper takes and gives, read from its C prototype in the uapi header."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from pybpf.dsl.types import i32, i64, u16, u32, u64
from pybpf.spec import Int
from pybpf.uapi.helpers import HELPERS, PROTOTYPES

__all__ = ["INTEGERS", "Parameter", "Prototype", "prototype", "struct_of"]

INTEGERS: dict[str, Int] = {
    "u16": u16,
    "u32": u32,
    "u64": u64,
    "s32": i32,
    "s64": i64,
    "int": i32,
    "long": i64,
    "size_t": u64,
    "unsigned long": u64,
    "__be16": u16,
    "__be32": u32,
    "__wsum": u32,
}

_DECLARATION = re.compile(r"(.*?[\w*]) ?\b(\w+)$")
_SIZE = re.compile(r"(?:(?:\w+_)?(?:size|len|sz)|size_of_buf|plen|optlen)$")
# What a program runs on, by the names that the header has for it.
_CONTEXTS = frozenset(["ctx", "skb", "xdp_md", "skops", "msg", "regs", "reuse", "bpf_socket", "bpf_sock"])
_MAPS = frozenset(["map", "ringbuf", "prog_array_map"])
_TEXTS = frozenset(["fmt", "name", "s2"])
# Structs that lie in a program's own memory, and that only helpers look into.
_OWN = frozenset(["bpf_spin_lock", "bpf_timer", "bpf_dynptr"])
# Pointers that the verifier must have followed from where the kernel gave them.
_TRUSTED = frozenset(["task_struct", "inode", "file", "cgroup", "linux_binprm", "path", "seq_file"])
# What the JIT calls in the map's own functions, not through the helper: until 6.4 they returned int, whatever
# the header says, and left the upper half of the register as it was (commit d7ba4cc900bf, "bpf: return long
# from bpf_map_ops funcs").
_BY_THE_MAP = frozenset(
    [
        *("bpf_map_update_elem", "bpf_map_delete_elem", "bpf_map_push_elem", "bpf_map_pop_elem"),
        *("bpf_map_peek_elem", "bpf_redirect_map", "bpf_for_each_map_elem"),
    ]
)
# Where the names say too little.
_ODD = {
    ("bpf_user_ringbuf_drain", "ctx"): "state",
    ("bpf_probe_write_user", "dst"): "user",
    ("bpf_get_local_storage", "flags"): "number",
    ("bpf_per_cpu_ptr", "percpu_ptr"): "pointer",
    ("bpf_this_cpu_ptr", "percpu_ptr"): "pointer",
    ("bpf_map_peek_elem", "value"): "value",
    ("bpf_kptr_xchg", "ptr"): "pointer",
    ("bpf_sk_assign", "ctx"): "context",
    ("bpf_inode_storage_get", "inode"): "trusted",
    ("bpf_inode_storage_delete", "inode"): "trusted",
    ("bpf_sock_ops_cb_flags_set", "argval"): "number",
    ("bpf_ringbuf_submit", "data"): "pointer",
    ("bpf_ringbuf_discard", "data"): "pointer",
    ("bpf_dynptr_from_mem", "data"): "memory",
}


def struct_of(type: str) -> str:
    """The name of what a C pointer points to: `task_struct` of `const struct task_struct *`."""
    return type.rstrip(" *").split()[-1]


class Parameter(NamedTuple):
    """One parameter. `kind` says what it takes, `type` is its C type, `layout` that of a number.

    Kinds: `number`, `size` (of the memory before it), `memory`, `text` (known at build time), `map`, `key`
    and `value` (of the map), `context`, `kernel` and `user` (addresses to read from), `trusted` (a kernel
    object that the verifier follows), `socket`, `own` (a lock or timer), `callback`, `state` (a callback's),
    `more` (`...`), and `pointer` (any).
    """

    name: str
    kind: str
    type: str
    layout: Int | None = None


class Prototype(NamedTuple):
    """A helper: `name` as the kernel has it (`bpf_ktime_get_ns`), its C `text`, and what it returns."""

    name: str
    number: int
    text: str
    parameters: tuple[Parameter, ...]
    result: str

    def given(self) -> tuple[Parameter, ...]:
        """The parameters that an author gives: all but the context, and sizes of memory that has one."""
        return tuple(each for each in self.parameters if each.kind not in ("context", "size"))

    def sizes(self) -> tuple[Parameter, ...]:
        return tuple(each for each in self.parameters if each.kind == "size")


@functools.cache
def _texts() -> dict[str, str]:
    return dict(zip(HELPERS, PROTOTYPES.strip().split("\n")))


@functools.cache
def prototype(name: str) -> Prototype:
    """The prototype of the helper that the kernel calls `name`."""
    text = _texts()[name]
    head, arguments = text[:-1].split("(", 1)
    result = "int" if name in _BY_THE_MAP else head[: -len(name)].strip()
    parameters: list[Parameter] = []
    for declaration in arguments.split(", "):
        if declaration != "void":
            parameters.append(_parameter(name, declaration, parameters))
    return Prototype(name, HELPERS[name], text, tuple(parameters), result)


def _parameter(helper: str, declaration: str, before: list[Parameter]) -> Parameter:
    if declaration == "...":
        return Parameter("...", "more", "...")
    match = _DECLARATION.match(declaration)
    assert match is not None
    type, name = match[1].strip(), match[2]
    last = before[-1].kind if before else ""
    if "*" not in type:
        kind = "size" if _SIZE.match(name) and last in ("memory", "text") else "number"
        return Parameter(name, _ODD.get((helper, name), kind), type, INTEGERS[type])
    return Parameter(name, _ODD.get((helper, name)) or _pointer(helper, type, name, before), type)


def _pointer(helper: str, type: str, name: str, before: list[Parameter]) -> str:
    pointee = struct_of(type)
    if name in _MAPS:
        return "map"
    if name in _CONTEXTS and not before and pointee != "bpf_sock":
        return "context"
    if name in ("callback_fn", "callback_ctx"):
        return "callback" if name == "callback_fn" else "state"
    if name in ("unsafe_ptr", "user_ptr"):
        return "user" if "user" in helper else "kernel"
    if pointee in _OWN:
        return "own"
    if pointee in _TRUSTED:
        return "trusted"
    if name in ("sk", "sock") and helper != "bpf_get_socket_cookie":
        return "socket"
    if name == "key" and before and before[-1].kind == "map":
        return "key"
    if name == "value" and any(each.kind == "map" for each in before):
        return "state" if "storage" in helper else "value"
    if name in _TEXTS:
        return "text"
    sized = _is_sized(helper, name)
    return "memory" if sized or pointee in INTEGERS else "pointer"


def _is_sized(helper: str, name: str) -> bool:
    """Whether the parameter after this one is its size."""
    names = [part.split()[-1].lstrip("*") for part in _texts()[helper].split("(", 1)[1][:-1].split(", ")]
    after = names[names.index(name) + 1 :]
    return bool(after) and _SIZE.match(after[0]) is not None
