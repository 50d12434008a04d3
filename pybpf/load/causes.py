"""Why the verifier refuses programs, in plain words: what its messages mean, and what helps.

The messages are those of kernel/bpf/verifier.c, from 5.10 to 7.3.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["CAUSES", "Cause", "cause"]


class Cause(NamedTuple):
    """What a message that `pattern` matches means (`why`), and what helps (`cure`)."""

    pattern: str
    why: str
    cure: str


CAUSES = (
    Cause(
        r"invalid mem access '\w*_or_null",
        "this may be None here: no check of it holds on this path",
        "check it right before it is used: if not x: return",
    ),
    Cause(
        r"invalid mem access '(inv|scalar)|R\d+ type=(inv|scalar) expected=(fp|ptr|map_value|mem)",
        "this is a number to the verifier, not an address that a program may use",
        'read memory of the kernel through a pointer with a type: cast(x, "struct file *").f_pos',
    ),
    Cause(
        r"min value is negative",
        "this size or offset may be negative on some path",
        "make it unsigned and bound it: min(u32(n), 256)",
    ),
    Cause(
        r"outside of the (allowed memory range|packet)|unbounded (memory access|min value)"
        r"|invalid access to (map value|memory|packet)",
        "this access may lie outside of the memory that it is meant for",
        "bound the index or size right before: min(i, n - 1); of a packet, compare with data_end first",
    ),
    Cause(
        r"invalid (indirect )?(read|access|write) (from|to) (indirect )?stack"
        r"|invalid (variable-offset )?stack|invalid stack (type|access)",
        "this is beyond the 512 bytes of the stack, or memory of it that was not set",
        "set each byte before it is used, padding too; keep large data in a map",
    ),
    Cause(
        r"!read_ok",
        "this register holds nothing here: it was never set, or a call has used it up (r1 to r5)",
        "keep what is needed after a call in r6 to r9; set r0 before exit",
    ),
    Cause(
        r"unreachable insn",
        "no path leads to this instruction",
        "leave it out, or jump to it",
    ),
    Cause(
        r"back-edge from insn|infinite loop detected",
        "this loop has no end that the verifier can see (before Linux 5.3 it takes no loops at all)",
        "bound it: for i in range(min(n, 64)); for old kernels unroll it: for i in unroll(range(8))",
    ),
    Cause(
        r"BPF program is too large|sequence of \d+ jumps is too complex|too many states",
        "the verifier walks through each path and each round of a loop, and there are more than it does",
        "fewer rounds; or loop(n, body, state), whose body it walks through once; or fewer branches",
    ),
    Cause(
        r"cannot use helper|unknown func |invalid func unknown|program of this type cannot use",
        "this kernel doesn't let a program of this type call that helper",
        "`pybpf doctor` shows what this kernel has; another kind of probe may be allowed to",
    ),
    Cause(
        r"GPL-restricted function",
        "that helper is for programs under the GPL only",
        "give the program a license that goes with the GPL",
    ),
    Cause(
        r"Unreleased reference|reference leak",
        "something that was acquired or reserved is not given back on this path",
        "submit, discard or release it on each way to the end",
    ),
    Cause(
        r"last insn is not an exit|jump out of range|jump into the middle",
        "the program runs past its end here",
        "end each path with exit, and jump to labels of the program only",
    ),
    Cause(
        r"At [\w ]+ exit the register R\d+ has|should have been in",
        "a program of this type may not return that",
        "return one of the values that the message lists",
    ),
    Cause(
        r"R\d+ type=\S+ expected=",
        "the helper wants another kind of argument here",
        "compare with the helper's parameters in bpf-helpers(7)",
    ),
    Cause(
        r"pointer arithmetic|pointer [+-]= pointer|math between|on pointer prohibited|[Pp]ointer comparison",
        "the verifier lets only bounded numbers be added to a pointer",
        "convert it first to calculate with the address: u64(p)",
    ),
    Cause(
        r"misaligned",
        "the address is no multiple of the access's size, as it must be here",
        "access it in smaller pieces, or align it",
    ),
    Cause(
        r"invalid bpf_context access",
        "what a program of this type runs on has nothing at that offset that it may access so",
        "read it through the typed parameters of the probe",
    ),
    Cause(
        r"cannot write into|write into map forbidden|read.?only|only read is supported",
        "this memory can be read only",
        "keep what changes in a map, or in a variable of the program",
    ),
    Cause(
        r"call stack of \d+ frames|recursive call",
        "calls are nested more than 8 deep, or a function calls itself",
        "write a loop, or let @func put the code where the call stands",
    ),
    Cause(
        r"combined stack size",
        "the program and the subprograms that it calls need more than 512 bytes of stack together",
        "keep large data in a map",
    ),
    Cause(
        r"leaks addr",
        "an address of the kernel would get to where user space can read it",
        "store a value, not a pointer; a program with CAP_PERFMON may",
    ),
    Cause(
        r"access beyond struct|dereference of modified|is not allowed to modify|cannot access ptr member",
        "the verifier follows an object of the kernel only at the offsets of its fields",
        "read the field by its name, of the type that the object has",
    ),
    Cause(
        r"is not modifiable",
        "the kernel lets programs change the results only of what may fail anyway",
        "take a security hook, such as security_file_open, or a function that is listed in"
        " /sys/kernel/debug/error_injection/list; fexit may look at any",
    ),
    Cause(
        r"is not sleepable|programs can be sleepable",
        "nothing may wait where this program is to run",
        "leave sleepable=True out, or take a place where it may",
    ),
    Cause(
        r"div(ision)? by zero|invalid shift",
        "this constant is refused: a division by 0, or a shift by as many bits as there are or more",
        "use another constant",
    ),
)


def cause(message: str) -> Cause | None:
    """The first of the causes that a line of the log is a sign of."""
    return next((each for each in CAUSES if re.search(each.pattern, message)), None)
