"""C code that asks a compiler whether it lays types out as a BTF says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pybpf.btf import Btf, Type

PROGRAM = """#include "{header}"
static unsigned char memory[1 << 20];
static int failed, count;
static void field(const char *name, int first, int bits, int size) {{
    int i, wrong = 0;
    for (i = 0; i < size * 8; i++)
        wrong += (memory[i / 8] >> i % 8 & 1) != (i >= first && i < first + bits);
    count++;
    if (wrong) {{ failed++; __builtin_printf("%s\\n", name); }}
}}
#define FIELD(type, name, first, bits) do {{ type *it = (type *)memory; \\
    __builtin_memset(memory, 0, sizeof(type)); it->name = -1; \\
    field(#type "." #name, first, bits, sizeof(type)); }} while (0)
{asserts}
int main(void) {{
{fields}
    __builtin_printf("%d bit fields, %d wrong\\n", count, failed);
    return failed != 0;
}}
"""


def program(btf: Btf, header: str) -> tuple[str, int, int]:
    """The source, and how many sizes and how many offsets (bit fields aside) it asserts."""
    asserts: list[str] = []
    fields: list[str] = []
    sizes = offsets = 0
    for name, type in named(btf):
        if type.kind in ("struct", "union"):
            for path, first, bits in members(type):
                if bits:
                    fields.append(f"    FIELD({name}, {path}, {first}, {bits});")
                else:
                    asserts.append(f'_Static_assert(__builtin_offsetof({name}, {path}) == {first // 8}, "");')
                    offsets += 1
        asserts.append(f'_Static_assert(sizeof({name}) == {type.size}, "{name}");')
        sizes += 1
    text = PROGRAM.format(header=header, asserts="\n".join(asserts), fields="\n".join(fields))
    return text, sizes, offsets


def named(btf: Btf) -> Iterator[tuple[str, Type]]:
    """All types with a size and a tag, under the name that the header gives them."""
    seen: Counter[str] = Counter()
    for type in btf:
        if type.name and type.kind in ("struct", "union", "enum", "enum64"):
            seen[type.name] += 1
            number = seen[type.name]
            yield type.key + (f"___{number}" if number > 1 else ""), type


def members(type: Type, prefix: str = "", base: int = 0) -> Iterator[tuple[str, int, int]]:
    """(path, bit offset, bit size) of all fields that C can name, also those of nameless structs within."""
    for member in type.members:
        inner = member.type.resolve()
        nameless = inner.kind in ("struct", "union") and not (inner.name and member.name)
        path = f"{prefix}{member.name}"
        if member.name:
            yield path, base + member.bit_offset, member.bit_size
        if nameless:
            deeper = f"{path}." if member.name else prefix
            yield from members(inner, deeper, base + member.bit_offset)
