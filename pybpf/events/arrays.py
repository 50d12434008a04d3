"""Events as structured arrays, where NumPy is installed (`pip install pybpf[numpy]`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pybpf.errors import BpfError
from pybpf.events.decode import Decoder
from pybpf.events.records import Records, stride
from pybpf.spec import Array, Bits, CString, Int, Layout, Struct, Union

__all__ = ["arrays", "dtype"]


def _numpy() -> Any:
    try:
        import numpy  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise BpfError("arrays of events need NumPy: pip install pybpf[numpy], or read batches") from None
    return numpy


def dtype(layout: Layout) -> Any:
    """A layout as a NumPy dtype: a Struct has its fields, a CString is bytes, a Union raw bytes.

    What is behind the first NUL of a CString is to be cut, as in the Decoder's tuples. Raises BpfError for
    bit fields, which NumPy doesn't have.
    """
    if isinstance(layout, Struct) and not isinstance(layout, Union):
        names, members, offsets = zip(*layout.fields)
        for name, member, _ in layout.fields:
            if isinstance(member, Bits):
                raise BpfError(f"{layout.name}.{name} is a bit field, which no array has: read batches")
        formats = [dtype(member) for member in members]
        return _numpy().dtype(
            {"names": names, "formats": formats, "offsets": offsets, "itemsize": layout.size}
        )
    if isinstance(layout, Array):
        return _numpy().dtype((dtype(layout.element), (layout.count,)))
    if isinstance(layout, Int):
        return _numpy().dtype(f"<{'i' if layout.signed else 'u'}{layout.size}")
    return _numpy().dtype(f"{'S' if isinstance(layout, CString) else 'V'}{layout.size}")


def arrays(layout: Struct) -> Callable[[Iterable[Records]], Iterator[Any]]:
    """Makes arrays of what is taken from a buffer, one of each part that is taken."""
    return functools.partial(_arrays, Decoder(layout), dtype(layout))


def _arrays(decoder: Decoder, kind: Any, taken: Iterable[Records]) -> Iterator[Any]:
    numpy = _numpy()
    for data, head, runs in taken:
        made = numpy.zeros(sum(count for _, _, count in runs), kind)
        rows = made.view("u1").reshape(len(made), kind.itemsize)
        end = 0
        for at, length, count in runs:
            decoder.check(length)
            step, size = stride(head, length), min(length, kind.itemsize)
            records = numpy.frombuffer(data, "u1", count * step, at).reshape(count, step)
            rows[end : end + count, :size] = records[:, head : head + size]
            end += count
        if end:
            yield made
