#!/usr/bin/env python3
"""Make pybpf/btf/data/reference.btf: the types of a kernel that programs are shown with on any machine.

    tools/gen_reference_btf.py KERNEL_BTF      a Debian 6.12's vmlinux, or its BTF in any form

Of the structs that probes look into most, all fields; of others what those lead to.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pybpf.btf
from pybpf.btf.extract import extract

OUTPUT = Path(__file__).resolve().parent.parent / "pybpf" / "btf" / "data" / "reference.btf"

# Whole structs: what a probe of files, processes, memory or the network is likely to read; and what programs
# that run at tracepoints, perf events and for packets have as their context.
STRUCTS = """
address_space block_device bio bio_vec cgroup cgroup_subsys_state cred css_set dentry dir_context fd file
file_lock files_struct fdtable fs_struct gendisk hlist_head hlist_node in6_addr inet_sock inode iov_iter iovec
kernfs_node kiocb kstatfs kstat linux_binprm list_head mm_struct mnt_namespace mount msghdr nameidata net
net_device
ns_common nsproxy page path pid pid_namespace pt_regs qstr request request_queue rq sched_entity sk_buff sock
sock_common socket signal_struct super_block task_struct tcp_sock timespec64 upid user_namespace uts_namespace
vfsmount vm_area_struct vm_fault
bpf_cgroup_dev_ctx bpf_iter__bpf_map bpf_iter__task bpf_iter__task_file bpf_iter_meta bpf_map bpf_nf_ctx
bpf_perf_event_data bpf_sock bpf_sock_addr bpf_sock_ops bpf_sockopt bpf_sysctl nf_hook_state seq_file
__sk_buff xdp_md trace_entry
trace_event_raw_block_bio trace_event_raw_block_rq trace_event_raw_block_rq_completion
trace_event_raw_inet_sock_set_state trace_event_raw_sched_process_exec trace_event_raw_sched_process_fork
trace_event_raw_sched_process_template trace_event_raw_sched_switch trace_event_raw_sched_wakeup_template
trace_event_raw_signal_generate trace_event_raw_sys_enter trace_event_raw_sys_exit
"""
OTHERS = """
u8 u16 u32 u64 s8 s16 s32 s64 __u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64 bool size_t ssize_t loff_t pid_t
uid_t gid_t umode_t dev_t sector_t gfp_t kuid_t kgid_t
"""


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    btf = pybpf.btf.load(sys.argv[1])
    asked = [f"struct {name}.*" for name in STRUCTS.split() if f"struct {name}" in btf]
    asked += [name for name in OTHERS.split() if name in btf]
    data = extract(btf, asked)
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_bytes(data)
    print(f"{OUTPUT.name}: {len(pybpf.btf.parse(data))} types, {len(data)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
