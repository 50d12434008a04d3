"""Trace open, read, write, fsync and statfs operations slower than a threshold."""

import enum

from pybpf import (
    CString,
    Events,
    Flag,
    Gadget,
    HashMap,
    Log2Hist,
    Param,
    Record,
    func,
    i32,
    i64,
    kprobe,
    kretprobe,
    u32,
    u64,
)
from pybpf.gadget import FileSystems, Process, Timestamp, discard_current, fill_process
from pybpf.helpers import current, ktime_get_boot_ns, ktime_get_ns, probe_read_kernel_str

gadget = Gadget(
    "trace_fsslower",
    columns="runtime.containerName:container proc.comm proc.pid proc.tid delta_us offset size file op",
    inflight="starts",
    hist="latency_us",
)

# The functions of each file system: `a,b?` is a, and b where the kernel has it; `a|b` is a, or else b. Where
# a function may be shared with other file systems, the magic number tells whose file it is.
fs = FileSystems(
    """
        -      open                           read                  write
        btrfs  btrfs_file_open                btrfs_file_read_iter  btrfs_file_write_iter
        ext4   ext4_file_open                 ext4_file_read_iter   ext4_file_write_iter
        fuse   fuse_open                      fuse_file_read_iter   fuse_file_write_iter
        nfs    nfs_file_open,nfs4_file_open?  nfs_file_read         nfs_file_write
        ntfs3  ntfs_file_open                 ntfs_file_read_iter   ntfs_file_write_iter
        xfs    xfs_file_open                  xfs_file_read_iter    xfs_file_write_iter

        -      statfs         sync                                magic       shared
        btrfs  btrfs_statfs   btrfs_sync_file                     0x9123683e  -
        ext4   ext4_statfs    ext4_sync_file                      0xef53      -
        fuse   fuse_statfs    fuse_fsync                          0x65735546  -
        nfs    nfs_statfs     nfs_file_fsync                      0x6969      -
        ntfs3  ntfs_statfs    ntfs_file_fsync|generic_file_fsync  0x7366746e  sync
        xfs    xfs_fs_statfs  xfs_file_fsync                      0x58465342  -
    """,
    default="ext4",
)
min_lat_us = Param(
    "min", u64, 10000, "only operations that took longer than this", metavar="MICROSECONDS", keeps="delta_us>"
)
hist = Flag("hist", "in place of events, how long all operations took: a histogram for each", fixed=True)


class Op(enum.IntEnum):
    F_READ, F_WRITE, F_OPEN, F_FSYNC, F_STATFS = range(5)


class Key(Record):
    tid: u32
    op: u32  # a write can sync and an open can statfs, inside one thread


class Start(Record):
    ts: u64
    start: i64
    end: i64
    dentry: "struct dentry *"


class Event(Record):
    timestamp: Timestamp
    proc: Process
    delta_us: u64
    offset: i64
    size: i64
    op: Op
    error: u32
    file: CString[256]


starts = HashMap("starts", Key, Start, max_entries=8192)
events = Events("events", Event)
latency = Log2Hist("latency_us", Op)


@func
def probe_entry(dentry, op, start=0, end=0):
    if not dentry:
        return
    if discard_current():
        return
    starts[Key(tid=current.tid, op=op)] = Start(ts=ktime_get_ns(), start=start, end=end, dentry=dentry)


@func
def probe_exit(op, ret, size=None):
    entry = starts.pop(Key(tid=current.tid, op=op))
    if not entry:
        return
    delta = ktime_get_ns() - entry.ts
    if hist:
        latency[op].observe(delta // 1000)
        return
    if delta <= 1000 * min_lat_us:
        return
    event = events.reserve()
    if not event:
        return
    event.delta_us = delta // 1000
    event.offset = entry.start
    event.size = entry.end - entry.start if size is None else size
    event.op = op
    event.error = u32(-ret) if ret < 0 else 0
    event.timestamp = ktime_get_boot_ns()
    fill_process(event.proc)
    probe_read_kernel_str(event.file, entry.dentry.d_name.name)
    events.submit(event)


@kprobe(fs.open)
def ig_fssl_open_e(inode: "struct inode *", file: "struct file *"):
    probe_entry(file.f_path.dentry, Op.F_OPEN)


@kretprobe(fs.open)
def ig_fssl_open_x(ret: i32):
    probe_exit(Op.F_OPEN, ret)


@kprobe(fs.read)
def ig_fssl_read_e(iocb: "struct kiocb *"):
    probe_entry(iocb.ki_filp.f_path.dentry, Op.F_READ, iocb.ki_pos)


@kretprobe(fs.read)
def ig_fssl_read_x(ret: i64):
    probe_exit(Op.F_READ, ret, ret)


@kprobe(fs.write)
def ig_fssl_wr_e(iocb: "struct kiocb *"):
    probe_entry(iocb.ki_filp.f_path.dentry, Op.F_WRITE, iocb.ki_pos)


@kretprobe(fs.write)
def ig_fssl_wr_x(ret: i64):
    probe_exit(Op.F_WRITE, ret, ret)


@kprobe(fs.sync)
def ig_fssl_sync_e(file: "struct file *", start: i64, end: i64):
    if "sync" in fs.shared and file.f_inode.i_sb.s_magic not in fs.magic:
        return
    probe_entry(file.f_path.dentry, Op.F_FSYNC, start, end)


@kretprobe(fs.sync)
def ig_fssl_sync_x(ret: i32):
    probe_exit(Op.F_FSYNC, ret)


@kprobe(fs.statfs)
def ig_fssl_statfs_e(dentry: "struct dentry *"):
    probe_entry(dentry, Op.F_STATFS)


@kretprobe(fs.statfs)
def ig_fssl_statfs_x(ret: i32):
    probe_exit(Op.F_STATFS, ret)
