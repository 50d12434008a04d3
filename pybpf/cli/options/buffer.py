"""How events come out of the kernel, where they are kept, and what is done when some are lost."""

from __future__ import annotations

from pybpf.cli.arguments import Parser, choice, size

__all__ = ["LOST", "add"]

# The exit status when events were lost, with --fail-on-loss.
LOST = 3


def add(parser: Parser) -> None:
    """Let a command take the options of this group."""
    parser.add_argument(
        "--buffer",
        metavar="KIND",
        type=choice("ringbuf", "perf"),
        help="how events are sent: ringbuf, perf (default: ringbuf, where the kernel has it)",
    )
    parser.add_argument(
        "--buffer-size",
        metavar="BYTES",
        type=size,
        help="of the ring buffer, or of each processor's perf buffer: 512K, 8M (default: 256K)",
    )
    parser.add_argument(
        "--record",
        metavar="FILE",
        help="write all events into a new file too, for `pybpf replay FILE` on any machine",
    )
    parser.add_argument(
        "--fail-on-loss", action="store_true", help=f"exit with status {LOST} when events were lost"
    )
