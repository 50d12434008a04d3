// The job of programs/trace_fsslower.py in C, as kprobes, for `tools/bench code` to compare with:
//   clang -O2 -g -target bpf -mcpu=v3 [-DPERF] -c fsslower.bpf.c
// Parameters are read-only variables, set in the object file before it is loaded: the verifier drops what
// can't be reached. Fields of the kernel's structs are found when it is loaded (CO-RE).

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define U(name, number) int(*name)[number]

static void *(*map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*map_delete_elem)(void *map, const void *key) = (void *)3;
static u64 (*ktime_get_ns)(void) = (void *)5;
static u64 (*get_current_pid_tgid)(void) = (void *)14;
static u64 (*get_current_uid_gid)(void) = (void *)15;
static long (*get_current_comm)(void *to, u32 size) = (void *)16;
static u64 (*get_current_task)(void) = (void *)35;
static long (*probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*ktime_get_boot_ns)(void) = (void *)125;
#ifdef PERF
static long (*perf_event_output)(void *context, void *map, u64 flags, void *data, u64 size) = (void *)25;
#define OUTPUT(context, data, size) perf_event_output(context, &events, 0xffffffff, data, size)
#else
static long (*ringbuf_output)(void *map, void *data, u64 size, u64 flags) = (void *)130;
#define OUTPUT(context, data, size) ringbuf_output(&events, data, size, 0)
#endif

#define READ(to, field) probe_read_kernel(&(to), sizeof(to), __builtin_preserve_access_index(&(field)))

struct pt_regs { // x86_64
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
};
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct qstr {
	const u8 *name;
};
struct dentry {
	struct qstr d_name;
};
struct path {
	struct dentry *dentry;
};
struct file {
	struct path f_path;
};
struct kiocb {
	struct file *ki_filp;
	s64 ki_pos;
};
struct ns_common {
	u32 inum;
};
struct mnt_namespace {
	struct ns_common ns;
};
struct nsproxy {
	struct mnt_namespace *mnt_ns;
};
struct task_struct {
	s32 pid, tgid;
	struct task_struct *real_parent;
	char comm[16];
	struct nsproxy *nsproxy;
};
#pragma clang attribute pop

enum op { READ_OP, WRITE_OP, OPEN_OP, FSYNC_OP, STATFS_OP };

struct key {
	u32 tid, op;
};
struct start {
	u64 ts;
	s64 start, end;
	struct dentry *dentry;
};
struct event {
	u64 timestamp;
	char comm[16];
	u32 pid, tid, uid, gid;
	char parent_comm[16];
	u32 parent_pid, parent_tid;
	u64 mntns_id;
	u64 delta_us;
	s64 offset, size;
	u32 op, error;
	char file[256];
	u64 lost;
};

struct {
	U(type, 1); // hash
	U(max_entries, 8192);
	struct key *key;
	struct start *value;
} starts SEC(".maps");
struct {
	U(type, 1);
	U(max_entries, 1024);
	u64 *key;
	u32 *value;
} mntns_filter SEC(".maps");
struct {
	U(type, 6); // per-CPU array
	U(max_entries, 1);
	u32 *key;
	struct event *value;
} heap SEC(".maps");
struct {
#ifdef PERF
	U(type, 4); // array of perf events
	U(key_size, 4);
	U(value_size, 4);
#else
	U(type, 27); // ring buffer
	U(max_entries, 256 * 1024);
#endif
} events SEC(".maps");

const volatile u64 min_us = 10000;
const volatile u32 mntns = 0, pid = 0, tid = 0, uid = -1, gid = -1;

INLINE u64 mount_namespace(struct task_struct *task)
{
	struct nsproxy *nsproxy = 0;
	struct mnt_namespace *namespace = 0;
	u32 number = 0;

	READ(nsproxy, task->nsproxy);
	READ(namespace, nsproxy->mnt_ns);
	READ(number, namespace->ns.inum);
	return number;
}

INLINE int is_left_out(void)
{
	u64 id;

	if (mntns) {
		id = mount_namespace((void *)get_current_task());
		if (!map_lookup_elem(&mntns_filter, &id))
			return 1;
	}
	id = get_current_pid_tgid();
	if (pid && id >> 32 != pid)
		return 1;
	if (tid && (u32)id != tid)
		return 1;
	id = get_current_uid_gid();
	if (uid != (u32)-1 && (u32)id != uid)
		return 1;
	return gid != (u32)-1 && id >> 32 != gid;
}

INLINE int entry(struct dentry *dentry, enum op op, s64 from, s64 to)
{
	struct key key = {.op = op};
	struct start start = {.start = from, .end = to, .dentry = dentry};

	if (!dentry || is_left_out())
		return 0;
	key.tid = get_current_pid_tgid();
	start.ts = ktime_get_ns();
	map_update_elem(&starts, &key, &start, 0);
	return 0;
}

INLINE int leave(void *context, enum op op, s64 result)
{
	u64 id = get_current_pid_tgid(), delta, users;
	struct key key = {.tid = id, .op = op};
	struct start *found, start;
	struct dentry *dentry;
	struct task_struct *task, *parent = 0;
	struct event *event;
	const u8 *name = 0;
	u32 zero = 0;
	long length;

	found = map_lookup_elem(&starts, &key);
	if (!found)
		return 0;
	start = *found;
	map_delete_elem(&starts, &key);
	delta = ktime_get_ns() - start.ts;
	if (delta <= 1000 * min_us)
		return 0;
	event = map_lookup_elem(&heap, &zero);
	if (!event)
		return 0;
	event->timestamp = ktime_get_boot_ns();
	event->delta_us = delta / 1000;
	event->offset = start.start;
	event->size = op == READ_OP || op == WRITE_OP ? result : start.end - start.start;
	event->op = op;
	event->error = result < 0 ? -result : 0;
	get_current_comm(event->comm, sizeof(event->comm));
	event->pid = id >> 32;
	event->tid = id;
	users = get_current_uid_gid();
	event->uid = users;
	event->gid = users >> 32;
	task = (void *)get_current_task();
	READ(parent, task->real_parent);
	READ(event->parent_comm, parent->comm);
	READ(event->parent_pid, parent->tgid);
	READ(event->parent_tid, parent->pid);
	event->mntns_id = mount_namespace(task);
	dentry = start.dentry;
	READ(name, dentry->d_name.name);
	length = probe_read_kernel_str(event->file, sizeof(event->file), name);
	if (length < 0 || length > sizeof(event->file))
		length = 1;
	if (OUTPUT(context, event, __builtin_offsetof(struct event, file) + length))
		__sync_fetch_and_add(&event->lost, 1);
	return 0;
}

INLINE struct dentry *dentry_of(struct file *file)
{
	struct dentry *dentry = 0;

	READ(dentry, file->f_path.dentry);
	return dentry;
}

INLINE int entry_of_iocb(struct kiocb *iocb, enum op op)
{
	struct file *file = 0;
	s64 from = 0;

	READ(file, iocb->ki_filp);
	READ(from, iocb->ki_pos);
	return entry(dentry_of(file), op, from, 0);
}

SEC("kprobe") int read_e(struct pt_regs *regs) { return entry_of_iocb((void *)regs->di, READ_OP); }
SEC("kprobe") int write_e(struct pt_regs *regs) { return entry_of_iocb((void *)regs->di, WRITE_OP); }
SEC("kprobe") int open_e(struct pt_regs *regs) { return entry(dentry_of((void *)regs->si), OPEN_OP, 0, 0); }
SEC("kprobe") int sync_e(struct pt_regs *regs)
{
	return entry(dentry_of((void *)regs->di), FSYNC_OP, regs->si, regs->dx);
}
SEC("kprobe") int statfs_e(struct pt_regs *regs) { return entry((void *)regs->di, STATFS_OP, 0, 0); }
SEC("kretprobe") int read_x(struct pt_regs *regs) { return leave(regs, READ_OP, regs->ax); }
SEC("kretprobe") int write_x(struct pt_regs *regs) { return leave(regs, WRITE_OP, regs->ax); }
SEC("kretprobe") int open_x(struct pt_regs *regs) { return leave(regs, OPEN_OP, (s32)regs->ax); }
SEC("kretprobe") int sync_x(struct pt_regs *regs) { return leave(regs, FSYNC_OP, (s32)regs->ax); }
SEC("kretprobe") int statfs_x(struct pt_regs *regs) { return leave(regs, STATFS_OP, (s32)regs->ax); }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
