"""What an error number means, by the call that gave it, and what helps.

EPERM and EACCES, of which there are many causes, are told apart by `explain`; what only the caller can know
(which map, which function) is said there.
"""

from __future__ import annotations

import errno

__all__ = ["MEANINGS", "meaning"]

# include/linux/errno.h: no error number of user space, but BPF lets it get there.
ENOTSUPP = 524

_LOG = "the kernel's log had no room: a bug in pybpf"
_FULL = "64 programs are at this event already, as many as the kernel allows: detach one"
_THERE = "something is attached there that doesn't share the place: detach it (`bpftool link`, `bpftool net`)"

# Call -> error -> meaning. "" stands for every call.
MEANINGS: dict[str, dict[int, str]] = {
    "": {
        errno.ENOSYS: "this kernel was built without it (CONFIG_BPF_SYSCALL, CONFIG_PERF_EVENTS)",
        errno.ENOMEM: "the kernel has no memory for it: fewer max_entries, smaller buffers, or a higher limit"
        " of the cgroup (memory.max)",
        errno.EMFILE: "this process has as many files open as it may: raise the limit (ulimit -n)",
        errno.ENFILE: "the system has as many files open as it may: sysctl fs.file-max",
    },
    "bpf(BPF_MAP_CREATE)": {
        errno.E2BIG: "it is larger than the kernel allows: fewer max_entries, or smaller values",
        errno.EINVAL: "this kernel lacks that type of map, its flags, or takes no such sizes: `pybpf doctor`"
        " shows which it has",
        ENOTSUPP: "this kernel doesn't take such a key or value for this type of map",
    },
    "bpf(BPF_MAP_UPDATE_ELEM)": {
        errno.E2BIG: "the map is full, or has no such index: it needs more max_entries",
        errno.EEXIST: "the key is there already (BPF_NOEXIST)",
        errno.ENOENT: "there is no such key (BPF_EXIST)",
        errno.EINVAL: "maps of this type take no such key, value or flags",
        errno.EBUSY: "programs are changing this part of the map just now: try again",
        ENOTSUPP: "maps of this type can't be written from user space",
    },
    "bpf(BPF_MAP_LOOKUP_ELEM)": {
        errno.EINVAL: "maps of this type take no such flags",
        errno.EOPNOTSUPP: "maps of this type can't be looked up from user space",
        ENOTSUPP: "maps of this type can't be looked up from user space",
    },
    "bpf(BPF_MAP_DELETE_ELEM)": {
        errno.EINVAL: "an array's elements are always there: set them to zero instead",
        errno.EBUSY: "programs are changing this part of the map just now: try again",
        errno.EOPNOTSUPP: "elements of maps of this type can't be deleted",
        ENOTSUPP: "elements of maps of this type can't be deleted",
    },
    "bpf(BPF_MAP_GET_NEXT_KEY)": {
        errno.EOPNOTSUPP: "maps of this type have no keys to go through",
        ENOTSUPP: "maps of this type have no keys to go through",
    },
    "bpf(BPF_MAP_FREEZE)": {
        errno.EBUSY: "the map is frozen already, or mapped to be written",
        ENOTSUPP: "maps of this type can't be frozen",
    },
    "bpf(BPF_OBJ_PIN)": {
        errno.EEXIST: "there is such a file already: choose another path, or remove it",
        errno.ENOENT: "the folder doesn't exist: mkdir, below /sys/fs/bpf",
        errno.EINVAL: "this kernel can't pin such an object",
    },
    "bpf(BPF_OBJ_GET)": {
        errno.ENOENT: "nothing is pinned there",
        errno.EINVAL: "the file is of another kind",
    },
    "bpf(BPF_PROG_LOAD)": {
        errno.E2BIG: "it has more instructions than this kernel takes: 4096 before 5.2, or without CAP_BPF",
        errno.EINVAL: "this kernel lacks that type of program, or something that was asked for with it:"
        " `pybpf doctor` shows what it has",
        errno.EAGAIN: "a signal came again and again while the verifier was at work: try again",
        errno.ENOSPC: _LOG,
        errno.EBUSY: "another program replaces this one (freplace), or a map is busy: try again",
        ENOTSUPP: "this kernel or architecture has no trampolines, which such programs run from",
    },
    "bpf(BPF_BTF_LOAD)": {
        errno.EINVAL: "this kernel doesn't know some kind of these types",
        errno.E2BIG: "there are more types than the kernel takes (16 MiB)",
        errno.ENOSPC: _LOG,
    },
    "bpf(BPF_RAW_TRACEPOINT_OPEN)": {
        errno.ENOENT: "there is no such tracepoint: see /sys/kernel/tracing/available_events",
        errno.EINVAL: "the program is of a type that isn't attached so",
        errno.EBUSY: "another program, or live patching, has the function",
        errno.E2BIG: "as many programs as the kernel allows (38) are on this function already: detach one",
        errno.EEXIST: "this program is attached there already",
        ENOTSUPP: "this architecture has no trampolines: kprobes work there",
    },
    "bpf(BPF_LINK_CREATE)": {
        errno.EBUSY: _THERE,
        errno.EEXIST: "this program, or another that doesn't share the place, is attached there already",
        errno.E2BIG: _FULL,
        errno.ENOENT: "what it should be attached to is not there",
        errno.ENODEV: "there is no such network interface",
        errno.EINVAL: "this kernel lacks that kind of link, or the program was loaded for another:"
        " `pybpf doctor` shows which it has",
        errno.EILSEQ: "the address is not the start of an instruction",
        errno.ESRCH: "there is no such process, or none of these functions can be probed",
        errno.EOPNOTSUPP: "this kernel, or this network driver, doesn't support it",
        ENOTSUPP: "this kernel doesn't support it",
    },
    "bpf(BPF_PROG_TEST_RUN)": {
        errno.EINVAL: "programs of this type take no such data or context",
        errno.ENOSPC: "what the program left has no room",
        ENOTSUPP: "programs of this type can't be tried out on this kernel",
    },
    "perf_event_open": {
        errno.ENOENT: "there is no such event here",
        errno.ENODEV: "this processor, or the virtual machine, doesn't count that",
        errno.EOPNOTSUPP: "this processor, or the virtual machine, doesn't count that",
        errno.EINVAL: "this kernel doesn't know that event, or not with these settings",
        errno.EBUSY: "something else has that counter for itself: see who runs perf",
        errno.ENOSPC: "the processor has no counter or breakpoint left for it",
        errno.E2BIG: "this kernel is older than the fields that were asked for",
        errno.ESRCH: "there is no such process",
        errno.EILSEQ: "the address is not the start of an instruction",
        errno.EADDRNOTAVAIL: "several functions have that name",
    },
    "ioctl(PERF_EVENT_IOC_SET_BPF)": {
        errno.EEXIST: "a program is at this event already",
        errno.E2BIG: _FULL,
        errno.EINVAL: "programs of this type don't go to such an event",
        errno.EBADF: "the program is closed",
    },
    "mmap": {
        errno.EPERM: "more memory than this user may lock: a smaller --buffer-size, a higher"
        " kernel.perf_event_mlock_kb or ulimit -l, or CAP_IPC_LOCK",
        errno.EINVAL: "a buffer of this size can't be mapped: it must be a power of 2 pages",
    },
    "bind": {
        errno.ENODEV: "there is no such network interface",
        errno.ENETDOWN: "the network interface is down: ip link set dev NAME up",
    },
}


def meaning(call: str, code: int) -> str:
    """The sentence for an error of a call, such as `bpf(BPF_MAP_CREATE)`; empty when there is none."""
    name = "mmap" if call.startswith("mmap(") else call
    return MEANINGS.get(name, {}).get(code) or MEANINGS[""].get(code, "")
