"""Members of a map's records that only helpers look into: locks and timers.

class Account(Record):
    lock: bpf_spin_lock
    balance: u64

    ...
    account = accounts[key]
    if account:
        spin_lock(account.lock)
        account.balance += n
        spin_unlock(account.lock)
"""

from __future__ import annotations

from pybpf.dsl.types import u32, u64
from pybpf.spec import Array, Struct

__all__ = ["bpf_spin_lock", "bpf_timer"]

# The kernel knows them by these names, from the BTF of the map (Linux 5.1, 5.15). Programs of kprobes,
# tracepoints and perf events may use neither.
bpf_spin_lock = Struct("bpf_spin_lock", [("val", u32)])
bpf_timer = Struct("bpf_timer", [("opaque", Array(u64, 2))])
