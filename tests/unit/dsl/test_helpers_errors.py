"""Every way to call a helper, a kernel function or an escape hatch wrongly, and what is said of it."""

from __future__ import annotations

import pytest

from pybpf import btf
from pybpf.dsl import lower
from pybpf.errors import LoweringError
from pybpf.spec import Target

PROBE = """
@kprobe("f")
def probe(
    p: "struct file *", n: u64, u: "const char __user *", v: "void *", pp: "struct file **", ii: "int *"
):
    e = events.reserve()
    if not e:
        return
    {}
"""

# What is written, what is said of it; and what is underlined, where that isn't all.
ERRORS = {
    "ktime_get_ns(5)": "ktime_get_ns() takes no arguments, not 1",
    "ktime_get_ns(x=5)": "ktime_get_ns() has no parameter 'x'",
    "map_delete_elem(counts)": "map_delete_elem(map, key) needs key",
    "map_delete_elem(counts, kee=1)": (
        "map_delete_elem(map, key) has no parameter 'kee' (did you mean 'key'?)"
    ),
    "map_delete_elem(counts, 1, key=2)": "key of map_delete_elem(map, key) is given twice",
    "map_delete_elem(5, 1)": "map of map_delete_elem takes a map, not 5",
    "map_delete_elem(events, 1)": "the map events has no key that map_delete_elem could take",
    'map_delete_elem(counts, "x")': "the key of counts is a u64, and 'x' is no number",
    "map_update_elem(counts, 1, 2, -1)": "-1 does not fit flags of map_update_elem, a u64",
    "perf_event_output(events, 0, Start())": (
        "map of perf_event_output takes a map of type PERF_EVENT_ARRAY, not the map events, which is a"
        " ring buffer here: events.submit(event) sends to either"
    ),
    "ringbuf_output(events, Start(), p)": "flags of ringbuf_output takes a number, not a struct file *",
    "ringbuf_output(events, 7, 0)": "data of ringbuf_output takes a record or a text, not 7",
    "get_stack(Start(), 0)": (
        "buf of get_stack takes memory that it can write to, not a Start: a member of an event, "
        "or the value of a map"
    ),
    "get_stack(e.comm, 0, size=99)": "size of get_stack is 99, and the memory before it has 16 bytes",
    "get_stack(e.comm, 0, size=n)": (
        "size of get_stack is a u32 and can't hold every u64; write u32(...) to convert"
    ),
    "get_stack(e.comm, 0, siz=9)": "get_stack(buf, flags) has no parameter 'siz' (did you mean 'size'?)",
    "get_current_comm(e.comm, size_of_buf=min(n, 5))": (
        "size_of_buf of get_current_comm must be known at build time: the kernel wants it to be more than 0"
    ),
    "probe_read_kernel(e.comm, 16, p)": (
        "probe_read_kernel takes dst, unsafe_ptr: the context, and the size of memory, go without saying"
    ),
    "probe_read_kernel(e.comm, u)": (
        "unsafe_ptr of probe_read_kernel takes an address in kernel memory, not a const char "
        "__user *: probe_read_user reads that"
    ),
    "probe_read_user(e.comm, p)": (
        "unsafe_ptr of probe_read_user takes an address in user memory, not a struct file *: say "
        "__user in the C declaration of the pointer if it is one"
    ),
    "probe_read_user(e.comm, e.comm)": (
        "unsafe_ptr of probe_read_user takes an address in user memory, not a text of 16 bytes"
    ),
    "get_hash_recalc()": (
        "a kprobe can't call get_hash_recalc: only programs of type sched_cls, sched_act, lwt_in,"
        " lwt_out, lwt_xmit, lwt_seg6local can"
    ),
    "skb_load_bytes(0, e.comm)": (
        "a kprobe can't call skb_load_bytes: only programs of type socket_filter, sched_cls, "
        "sched_act, cgroup_skb, lwt_in and 6 more can"
    ),
    "copy_from_user(e.comm, u)": (
        "a kprobe can't call copy_from_user, which may wait: fentry, fexit, fmod_ret, iterator, lsm, uprobe,"
        " uretprobe can, with sleepable=True"
    ),
    "get_task_stack(p, e.comm, 0)": (
        "task of get_task_stack takes a struct task_struct *, not a struct file *"
    ),
    "get_task_stack(current.task, e.comm, 0)": (
        "task of get_task_stack takes a struct task_struct * that the kernel gave this program "
        "itself, such as get_current_task_btf(); this one was read from memory"
    ),
    "task_storage_get(counts, get_current_task_btf(), None, 0)": (
        "map of task_storage_get takes a map of type TASK_STORAGE, not the map counts"
    ),
    "spin_lock(e)": ("a kprobe can't use a map with a bpf_spin_lock: it may interrupt who holds or runs it"),
    "get_stackid(events, 0)": (
        "map of get_stackid takes a map of type STACK_TRACE, not the map events, which is a ring buffer here"
    ),
    "map_peek_elem(counts, 1)": (
        "map of map_peek_elem takes a map of type QUEUE or STACK or BLOOM_FILTER, not the map counts"
    ),
    "sk_storage_get(counts, p, None, 0)": (
        "a kprobe can't call sk_storage_get: only programs of type sched_cls, sched_act, cgroup_skb,"
        " cgroup_sock, sock_ops and 9 more can"
    ),
    "dynptr_data(e, 0, 8)": "ptr of dynptr_data takes what bpf_dynptr() made, not an Event",
    "dynptr_data(bpf_dynptr(), 0, 8)": (
        "this dynptr is not set on every path to here: ringbuf_reserve_dynptr or dynptr_from_mem does that,"
        " until it is submitted or discarded"
    ),
    "dynptr_from_mem(Key(), 0, bpf_dynptr())": (
        "data of dynptr_from_mem takes what lies in the value of a map, not a Key"
    ),
    "ptr = bpf_dynptr(); dynptr_from_mem(e, 0, ptr); dynptr_data(ptr, 0, n)": (
        "dynptr_data(ptr, 0, n)",
        "len of dynptr_data is a number from 1 on, known at build time, not a u64",
    ),
    "ptr = bpf_dynptr(); dynptr_from_mem(e, 0, ptr); dynptr_from_mem(e, 0, ptr)": (
        "dynptr_from_mem(e, 0, ptr)",
        "this dynptr is in use already: make another by bpf_dynptr()",
    ),
    "ptr = bpf_dynptr(); dynptr_from_mem(e, 0, ptr); ringbuf_submit_dynptr(ptr, 0)": (
        "ringbuf_submit_dynptr(ptr, 0)",
        "ringbuf_submit_dynptr takes what ringbuf_reserve_dynptr reserved, and this dynptr is of memory",
    ),
    'snprintf(p, "x")': (
        "snprintf writes to a text in memory, such as a member of an event, not to a struct file *"
    ),
    'snprintf(e.comm, "%d")': "this format takes 1 value, and there are no values",
    'snprintf(e.comm, "%d" * 13, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13)': (
        "snprintf prints at most 12 values: print twice, or send an event"
    ),
    "kptr_xchg(e, p)": (
        "kptr_xchg can't be called: pointers to kernel objects can't be kept in maps: look them up again"
        " where they are needed"
    ),
    "this_cpu_ptr(p)": (
        'this_cpu_ptr can\'t be called: the address of a per-CPU variable comes from per_cpu("name")'
    ),
    "strncmp(e.comm, e.comm)": "s2 of strncmp takes a text known at build time, not a text of 16 bytes",
    "for_each_map_elem(counts, 5, None, 0)": "callback_fn of for_each_map_elem takes a @subprogram, not 5",
    "for_each_map_elem(counts, int, None, 0)": (
        "callback_fn of for_each_map_elem takes a @subprogram, not <class 'int'>"
    ),
    "for_each_map_elem(counts, None, 9, 0)": (
        "callback_fn of for_each_map_elem takes a @subprogram, not None"
    ),
    "sk_release(counts)": (
        "a kprobe can't call sk_release: only programs of type sched_cls, sched_act, xdp, "
        "cgroup_skb, sk_skb and 2 more can"
    ),
    "map_lookup_elem(events, 5)": "the map events has no key that map_lookup_elem could take",
    "tcp_sock(1)": (
        "a kprobe can't call tcp_sock: only programs of type sched_cls, sched_act, cgroup_skb, "
        "sock_ops, cgroup_sockopt can"
    ),
    "kallsyms_lookup_name(e.comm, 0, e.comm)": (
        "a kprobe can't call kallsyms_lookup_name: only programs of type syscall can"
    ),
    "current.pidd": (
        "the current task has no 'pidd' (did you mean 'pid'?); it has pid, tid, uid, gid, cpu, "
        "cgroup_id, numa_node, comm, task"
    ),
    "printk(n)": "printk takes a format known at build time, not a u64",
    'printk("%d")': "this format takes 1 value, and there are no values",
    'printk("x", 1)': "this format takes no values, and there is 1 value",
    'printk("%d %d %d %d", 1, 2, 3, 4)': "printk prints at most 3 values: print twice, or send an event",
    'printk("%d", n)': "%d can't print every u64: write %llu",
    'printk("%d", p)': "%d prints a number, not a struct file *",
    'printk("%u", i64(n))': "%u can't print every i64: write %lld",
    'printk("%x", i32(n))': "%x can't print every i32: write %d",
    'printk("%d", 1 << 40)': "%d can't print 1099511627776: write %llu",
    'printk("%lld", n)': "%lld can't print every u64: write %llu",
    'printk("%s", n)': "%s prints a text of the kernel's, not a u64",
    'printk("%s", "x")': "%s prints a text of the kernel's, not 'x'",
    'printk("%s", u)': "%s prints a text of the kernel's, not a const char __user *",
    'printk("%pus", p)': "%pus prints a pointer to a text of the process's, not a struct file *",
    'printk("%p", e)': "%p prints a pointer, not an Event",
    'printk("%p", 5)': "%p prints a pointer, not 5",
    'printk("%f", n)': (
        "printk has no '%f': it has %d %u %x %c, %lld %llu %llx, %s %pus and %p; %% is a percent sign"
    ),
    'printk("%ö", n)': "printk prints ASCII only: the kernel refuses any other letter in a format",
    'printk("ö")': "printk prints ASCII only: the kernel refuses any other letter in a format",
    "printk()": "printk(format, ...) needs format",
    'printk(fmt="x")': "printk(format, ...) takes no keywords",
    'asm("r0 = r1", 1, 2, 3, 4, 5, 6)': "asm takes at most 5 values, in r1 to r5, not 6",
    'asm("r0 = r7")': "asm: 'r0 = r7' uses r7, which belongs to the program: asm has r0 to r5",
    'asm("r0 = *(u64 *)(r10 -8)")': (
        "asm: 'r0 = *(u64 *)(r10 -8)' uses the stack, which belongs to the program: asm has r0 to r5"
    ),
    'asm("exit")': "asm: 'exit' would leave the program; return from the probe instead",
    'asm("call sub")': "asm: line 1, column 6: no helper and no label 'sub'\n    call sub\n         ^",
    'asm("")': "asm has no instruction: its result would be nowhere",
    "asm(5)": "asm takes text, or a list of what pybpf.asm.ops makes, not 5",
    'asm(["x"])': "asm takes text, or a list of what pybpf.asm.ops makes, not ['x']",
    'asm("r0 = 1", int)': (
        "<class 'int'> is no number, and lies nowhere in memory: it can't be in a register"
    ),
    'asm("r0 = 1; goto out")': "asm: 'goto out' goes to a label that isn't here",
    'helper("x")': "helper takes the number of a helper, not 'x'; by name, it is in pybpf.helpers",
    "helper(0)": "helper takes the number of a helper, not 0; by name, it is in pybpf.helpers",
    "helper(5)(1, 2, 3, 4, 5, 6)": "helper 5 takes at most 5 values, in r1 to r5, not 6",
    "helper(5)(x=1)": "helper 5(...) takes no keywords",
    'kernel_function("bpf_task_aquire")': "the types of reference have no function 'bpf_task_aquire'",
    "kernel_function(n)": "kernel_function takes a name known at build time, not a u64",
    "skc_to_tcp_sock(p).snd_cwnd": (
        "skc_to_tcp_sock(p)",
        (
            "a kprobe can't call skc_to_tcp_sock: only programs of type socket_filter, sched_cls, "
            "sched_act, xdp, cgroup_skb and 16 more can"
        ),
    ),
    "tail_call(counts, 1)": (
        "prog_array_map of tail_call takes a map of type PROG_ARRAY, not the map counts"
    ),
}


@pytest.mark.parametrize("source", ERRORS)
def test_error(source, module):
    expected = ERRORS[source]
    underlined, message = (source, expected) if isinstance(expected, str) else expected
    with pytest.raises(LoweringError) as caught:
        lower(module(PROBE.format(source)), {}, Target("reference", btf.reference()))
    assert caught.value.message == message
    place = caught.value.location
    assert place is not None
    assert place.text[place.column - 1 : place.end_column - 1] == underlined
