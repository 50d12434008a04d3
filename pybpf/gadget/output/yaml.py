"""Events as YAML 1.2: one document each, its keys sorted.

All is ASCII. Texts are in double quotes, with the escapes of YAML; a byte of a text that isn't UTF-8 is the
escape of a lone surrogate, as in JSON.
"""

from __future__ import annotations

from pybpf.gadget.output.tree import TreeForm

__all__ = ["Yaml"]


class Yaml(TreeForm):
    """One event a document, which begins with `---`."""

    def document(self, text: str) -> str:
        return f"---{text}\n"

    def whole(self, members: str, depth: int) -> str:
        return members or " {}"

    def member(self, name: str, value: str, depth: int) -> str:
        space = "" if value.startswith("\n") else " "
        return f"\n{'  ' * depth}{name}:{space}{value}"

    def text(self, text: str) -> str:
        # Python's escapes are YAML's, but for quotes.
        quoted = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
        return f'"{quoted}"'
