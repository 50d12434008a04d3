from __future__ import annotations

import pytest

from pybpf.sys import kallsyms

TEXT = b"""\
ffffffff81000000 T _text
ffffffff814cc810 T __bpf_call_base
ffffffff814cc810 T same_place
ffffffffc0201000 t ext4_file_open\t[ext4]
"""


def test_addresses_and_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kallsyms, "_text", lambda: TEXT)
    assert kallsyms.address_of("__bpf_call_base") == 0xFFFFFFFF814CC810
    assert kallsyms.address_of("bpf_call_base") == 0
    addresses = (0xFFFFFFFF81000000, 0xFFFFFFFFC0201000, 0xFFFFFFFF81000001, 0)
    assert kallsyms.names_at(addresses) == {
        0xFFFFFFFF81000000: "_text",
        0xFFFFFFFFC0201000: "ext4_file_open",
    }
    assert kallsyms.names_at(()) == {}
