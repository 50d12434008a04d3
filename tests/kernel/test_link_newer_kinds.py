"""Control groups, security hooks, iterators, netfilter, fmod_ret: programs whose effect is seen."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pybpf import features, link, load, maps
from pybpf.errors import LoadError, UnsupportedFeature, VerifierError
from pybpf.link import iterator
from pybpf.spec import MapSpec
from pybpf.sys import cgroups
from pybpf.uapi import bpf

HEAD = """
from pybpf.dsl import *
from pybpf.helpers import *

counts = ArrayMap("counts", u64, 2)
me = Param("me", u32, 0, "this process")
"""
Load = Callable[[str], load.Loaded]


def attach(loaded: load.Loaded) -> link.Link:
    (program,) = loaded.programs.values()
    how = program.spec.attach
    (symbol,) = link.resolve(how.functions, how.kind).found
    return link.attach(how.kind, program.fileno(), symbol)


def counts(loaded: load.Loaded) -> tuple[int, int]:
    return loaded.maps["counts"][0], loaded.maps["counts"][1]


@pytest.fixture(scope="module")
def group() -> Iterator[str]:
    """The name of a control group."""
    if not cgroups.root():
        pytest.skip("no cgroup2 is mounted here")
    folder = Path(cgroups.root()) / f"pybpf-test-{os.getpid()}"
    folder.mkdir()
    yield f"/{folder.name}"
    folder.rmdir()


def inside(group: str, code: str) -> str:
    """What Python code prints in a process of the group."""
    join = f"open({cgroups.find(group)!r} + '/cgroup.procs', 'w').write('0')"
    whole = f"import os, socket\n{join}\n{code}"
    return subprocess.check_output([sys.executable, "-c", whole], text=True, stderr=subprocess.STDOUT).strip()


TRY = "\ntry:\n    {}\nexcept OSError as error:\n    print(type(error).__name__)\nelse:\n    print('done')"
UDP = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
# A program; what a process of the group does; what it says then, and without the program.
GROUPS = {
    "egress": (
        """
@cgroup("egress", "{}")
def probe(skb: "struct __sk_buff *"):
    counts.add(0)
    counts[1] = u64(skb.len)
    return 1
""",
        f"{UDP}.sendto(bytes(100), ('127.0.0.1', 9))",
        (1, 128),
        "done",
    ),
    "ingress": (
        """
@cgroup("ingress", "{}")
def probe(skb: "struct __sk_buff *"):
    counts.add(0)
    counts[1] = u64(skb.len)
    return 0
""",
        f"""a = {UDP}
    a.bind(('127.0.0.1', 0))
    a.settimeout(0.2)
    a.sendto(bytes(50), a.getsockname())
    a.recv(100)""",
        (1, 78),
        "TimeoutError",
    ),
    "sock_create": (
        """
@cgroup("sock_create", "{}")
def probe(sk: "struct bpf_sock *"):
    counts.add(0)
    counts[1] = u64(sk.protocol)
    return 0
""",
        "socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)",
        (1, 6),
        "PermissionError",
    ),
    "post_bind4": (
        """
@cgroup("post_bind4", "{}")
def probe(sk: "struct bpf_sock *"):
    counts.add(0)
    counts[1] = u64(sk.src_port)
    return 0
""",
        f"{UDP}.bind(('127.0.0.77', 45678))",
        (1, 45678),
        "PermissionError",
    ),
    "connect4": (
        """
@cgroup("connect4", "{}")
def probe(address: "struct bpf_sock_addr *"):
    counts.add(0)
    counts[1] = u64(address.user_port)
    return 0
""",
        f"{UDP}.connect(('127.0.0.1', 0x1234))",
        (1, 0x3412),
        "PermissionError",
    ),
    "setsockopt": (
        """
@cgroup("setsockopt", "{}")
def probe(option: "struct bpf_sockopt *"):
    counts.add(0)
    counts[1] = u64(u32(option.optname))
    return 0
""",
        f"{UDP}.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 3)",
        (1, socket.SO_PRIORITY),
        "PermissionError",
    ),
    "device": (
        """
@cgroup("device", "{}")
def probe(device: "struct bpf_cgroup_dev_ctx *"):
    counts.add(0)
    counts[1] = u64(device.minor)
    return u32(device.minor != 5)  # /dev/zero
""",
        "open('/dev/zero', 'rb')",
        (1, 5),
        "PermissionError",
    ),
    "sysctl": (
        """
@cgroup("sysctl", "{}")
def probe(sysctl: "struct bpf_sysctl *"):
    counts.add(0)
    counts[1] = u64(sysctl.write)
    return 0
""",
        "open('/proc/sys/kernel/ostype').read()",
        (1, 0),
        "PermissionError",
    ),
    "sock_ops": (
        """
@cgroup("sock_ops", "{}")
def probe(ops: "struct bpf_sock_ops *"):
    if ops.op == 3:  # BPF_SOCK_OPS_TCP_CONNECT_CB
        counts.add(0)
        counts[1] = u64(ops.family)
    return 1
""",
        "socket.create_connection(('127.0.0.1', 1))",
        (1, socket.AF_INET),
        "ConnectionRefusedError",
    ),
}


@pytest.mark.parametrize("hook", GROUPS)
def test_control_groups(loaded: Load, group: str, hook: str) -> None:
    text, work, seen, says = GROUPS[hook]
    made = loaded(text.format(group))
    with attach(made) as attached:
        # What this process does is not seen: it is in no such group.
        assert Path("/proc/sys/kernel/ostype").read_text() == "Linux\n"
        assert inside(group, TRY.format(work)) == says
        assert counts(made) == seen
        assert (attached.info().kind, attached.info().symbol) == (f"cgroup/{hook}", group)
        assert attached.info().id > 0
    again = inside(group, TRY.format(work))
    assert again == ("done" if says in ("PermissionError", "TimeoutError", "done") else says)
    assert counts(made) == seen


def test_every_hook_of_a_control_group_is_taken(loaded: Load, group: str) -> None:
    """Programs that do nothing, of those that are not seen at work above."""
    for hook, kinds in (
        ("bind4 bind6 connect6 sendmsg4 sendmsg6 recvmsg4 recvmsg6", "struct bpf_sock_addr *"),
        ("getpeername4 getpeername6 getsockname4 getsockname6", "struct bpf_sock_addr *"),
        ("post_bind6 sock_release", "struct bpf_sock *"),
        ("getsockopt", "struct bpf_sockopt *"),
    ):
        for name in hook.split():
            made = loaded(f'@cgroup("{name}", "{group}")\ndef probe(ctx: "{kinds}"):\n    return 1\n')
            with attach(made) as attached:
                assert attached.info().id > 0


@pytest.mark.needs("btf", "iterators")
def test_an_iterator_of_tasks(loaded: Load) -> None:
    made = loaded("""
@iterator("task")
def probe(ctx: "struct bpf_iter__task *"):
    task = ctx.task
    if not task:
        seq_printf(ctx.meta.seq, "end\\n")
        return
    if u32(task.tgid) == me:
        seq_printf(ctx.meta.seq, "%d %s\\n", task.tgid, task.group_leader.comm)
""")
    with attach(made) as attached:
        assert isinstance(attached, iterator.Iterator)
        comm = Path("/proc/self/comm").read_text().strip()
        threads = len(os.listdir("/proc/self/task"))
        for _ in range(2):
            assert attached.read() == f"{os.getpid()} {comm}\n".encode() * threads + b"end\n"
        assert attached.info().id > 0


@pytest.mark.needs("btf", "iterators")
def test_an_iterator_of_maps_writes_records(loaded: Load) -> None:
    made = loaded("""
class One(Record):
    id: u32
    entries: u32

@iterator("bpf_map")
def probe(ctx: "struct bpf_iter__bpf_map *"):
    map = ctx.map
    if map:
        seq_write(ctx.meta.seq, One(id=map.id, entries=map.max_entries))
        counts.add(0)
""")
    with attach(made) as attached:
        assert isinstance(attached, iterator.Iterator)
        data = attached.read()
    records = {data[at : at + 4]: data[at + 4 : at + 8] for at in range(0, len(data), 8)}
    mine = made.maps["counts"].info()
    assert records[mine.id.to_bytes(4, "little")] == (2).to_bytes(4, "little")
    assert counts(made)[0] == len(records)


@pytest.mark.needs("btf", "iterators", "kernel_memory")
def test_an_iterator_of_the_elements_of_a_map(loaded: Load) -> None:
    made = loaded("""
@iterator("bpf_map_elem")
def probe(ctx: "struct bpf_iter__bpf_map_elem *"):
    key = cast(ctx.key, "u32 *")
    value = cast(ctx.value, "u64 *")
    if key and value:
        seq_printf(ctx.meta.seq, "%u: %llu\\n", key[0], value[0])
""")
    (program,) = made.programs.values()
    with maps.create(MapSpec("table", bpf.BPF_MAP_TYPE_ARRAY, 4, 8, 3)) as table:
        for key in range(3):
            table.update(key.to_bytes(4, "little"), (key * 11).to_bytes(8, "little"))
        with iterator.attach(program.fileno(), "bpf_map_elem", map_fd=table.fileno()) as attached:
            assert attached.read() == b"0: 0\n1: 11\n2: 22\n"
    with pytest.raises(LoadError, match="it goes through the elements of a map, and none is given"):
        attach(made)


@pytest.mark.needs("btf", "iterators")
def test_a_program_of_iterators_is_run(tmp_path: Path) -> None:
    path = tmp_path / "tasks.py"
    path.write_text("""\"\"\"List tasks.\"\"\"
from pybpf import Gadget, iterator
from pybpf.helpers import seq_printf

gadget = Gadget("tasks", columns="")


@iterator("task")
def tasks(ctx: "struct bpf_iter__task *"):
    task = ctx.task
    if task:
        seq_printf(ctx.meta.seq, "%d %s\\n", task.pid, task.comm)
""")
    start = "import sys; from pybpf.cli import main; sys.exit(main())"
    run = [sys.executable, "-c", start, "run", str(path)]
    lines = subprocess.check_output(run, text=True).splitlines()
    assert f"{os.getpid()} {Path('/proc/self/comm').read_text().strip()}" in lines
    assert "2 kthreadd" in lines
    refused = subprocess.run([*run, "--timeout", "5"], text=True, capture_output=True, check=False)
    assert (refused.returncode, refused.stderr) == (
        2,
        "pybpf: error: --timeout is about what goes on, and tasks shows what is there now\n",
    )


def test_netfilter(loaded: Load) -> None:
    """A packet of a length of its own is dropped on its way in."""
    text = """
@netfilter("ipv4/local_in/-7")
def probe(ctx: "struct bpf_nf_ctx *"):
    if ctx.skb.len == 20 + 8 + 777:
        counts.add(0)
        counts[1] = u64(ctx.state.hook)
        return 0
    return 1
"""
    if not features.netfilter():
        with pytest.raises(UnsupportedFeature, match=r"no netfilter programs \(since Linux 6\.4\)"):
            link.attach("netfilter", 0, "ipv4/local_in")
        pytest.skip("this kernel has no netfilter programs (6.4)")
    made = loaded(text)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        with attach(made) as attached:
            receiver.sendto(bytes(777), receiver.getsockname())
            receiver.sendto(bytes(778), receiver.getsockname())
            assert len(receiver.recv(1000)) == 778
            assert counts(made) == (1, 1)
            with pytest.raises(LoadError, match="another program is there with priority -7"):
                attach(made)
            assert attached.info().id > 0
        receiver.sendto(bytes(777), receiver.getsockname())
        assert len(receiver.recv(1000)) == 777


@pytest.mark.needs("fentry", "bpf_lsm")
def test_a_security_hook_decides(loaded: Load, tmp_path: Path) -> None:
    made = loaded("""
@lsm("path_mkdir")
def probe(dir: "struct path *", dentry: "struct dentry *", mode: u16):
    if current.pid == me and dentry.d_name.len == 13:
        counts.add(0)
        counts[1] = u64(mode & 0o777)
        return -1
    return 0
""")
    with attach(made) as attached:
        with pytest.raises(PermissionError):
            (tmp_path / "thirteen-long").mkdir(0o750)
        (tmp_path / "another").mkdir()
        assert counts(made) == (1, 0o750)
        assert attached.info().id > 0
    (tmp_path / "thirteen-long").mkdir()


@pytest.mark.needs("fentry", "bpf_lsm")
def test_a_security_hook_may_sleep(loaded: Load, tmp_path: Path) -> None:
    """It reads the process's memory as only such a program can, if need be from the disk."""
    made = loaded("""
@lsm("file_open", sleepable=True)
def probe(file: "struct file *"):
    if current.pid == me and file.f_path.dentry.d_name.len == 13:
        place = Array[u64, 1]()
        counts[1] = u64(copy_from_user(place, cast(u64(8), "char __user *")) == -14)  # EFAULT
        counts.add(0)
        return -1
    return 0
""")
    with attach(made):
        with pytest.raises(PermissionError):
            (tmp_path / "thirteen-long").write_text("")
        (tmp_path / "another").write_text("")
        assert counts(made) == (1, 1)


@pytest.mark.needs("fentry")
def test_a_result_is_changed(loaded: Load, tmp_path: Path) -> None:
    """A security hook's, which the kernel allows wherever it has trampolines."""
    made = loaded("""
@fmod_ret("security_path_mkdir")
def probe(dir: "struct path *", dentry: "struct dentry *", mode: u16, ret: i32):
    if current.pid == me and dentry.d_name.len == 13:
        counts.add(0)
        return -28  # ENOSPC
    return ret
""")
    with attach(made):
        with pytest.raises(OSError, match="No space left"):
            (tmp_path / "thirteen-long").mkdir()
        (tmp_path / "another").mkdir()
        assert counts(made)[0] == 1
    (tmp_path / "thirteen-long").mkdir()


@pytest.mark.needs("fentry")
def test_a_result_that_may_not_be_changed(loaded: Load) -> None:
    with pytest.raises(LoadError, match=r"vfs_read\(\) is not modifiable"):
        loaded("""
@fmod_ret("vfs_read")
def probe(file: "struct file *", buf: "char *", count: u64, pos: "s64 *", ret: i64):
    return 0
""")


@pytest.mark.needs("fentry")
def test_without_bpf_among_the_security_modules(loaded: Load) -> None:
    if features.bpf_lsm():
        return
    made = loaded('@lsm("file_open")\ndef probe(file: "struct file *"):\n    return 0\n')
    with pytest.raises(UnsupportedFeature, match="this kernel has no active BPF LSM"):
        attach(made)


@pytest.mark.parametrize("sleepable", [False, True])
def test_memory_that_is_brought_in(loaded: Load, tmp_path: Path, sleepable: bool) -> None:
    """What a process hasn't touched yet is read by a program that may wait, and by no other."""
    read = "copy_from_user" if sleepable else "probe_read_user"
    text = f"""
@uprobe("libc.so.6:atoi", sleepable={sleepable})
def probe(text: "const char *"):
    if current.pid == me:
        start = Array[u8, 8]()
        counts[0] = u64({read}(start, text) == 0)
        counts[1] = u64(start[0])
"""
    try:
        made = loaded(text)
    except (LoadError, VerifierError) as error:
        if sleepable and ("sleep" in f"{error}" or "EINVAL" in f"{error}"):
            pytest.skip(f"this kernel has no uprobes that may wait (6.0): {error}")
        raise
    path = tmp_path / "numbers"
    path.write_bytes(b"42".ljust(mmap.PAGESIZE, b"\0"))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as pages, attach(made):
        room = ctypes.c_char.from_buffer(pages)
        assert ctypes.CDLL(None).atoi(ctypes.byref(room)) == 42
        del room
    assert counts(made) == ((1, ord("4")) if sleepable else (0, 0))
