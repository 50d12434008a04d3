// Every kind of CO-RE relocation. Built by: clang-14 -target bpf -mcpu=v3 -g -O2 -fdebug-compilation-dir . -c core.c
typedef unsigned int u32;
typedef unsigned long long u64;
#define CORE __attribute__((preserve_access_index))

struct qstr { union { struct { u32 hash, len; }; u64 hash_len; }; const unsigned char *name; } CORE;
struct dentry { u32 d_flags; struct qstr d_name; } CORE;
struct nsproxy;
struct task_struct___mine { int pid; char comm[16]; struct nsproxy *nsproxy; unsigned in_execve : 1; int no_such_field; } CORE;
struct pid_link___array { void *a; } CORE;
struct signal_struct { struct { int x; } CORE *pids[4]; } CORE;
struct no_such_struct { int x; } CORE;
struct upid { int nr; } CORE;
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_NO_SUCH };

#define FIELD(expr, kind) __builtin_preserve_field_info(expr, kind)
#define TYPE(type, kind) __builtin_preserve_type_info(*(typeof(type) *)0, kind)
#define VALUE(type, value, kind) __builtin_preserve_enum_value(*(typeof(type) *)value, kind)

u64 result[40];
char _license[] __attribute__((section("license"))) = "GPL";

__attribute__((section("socket"))) int probe(void *ctx)
{
	struct task_struct___mine *task = ctx;
	struct dentry *dentry = ctx;
	u64 *out = result;

	*out++ = (u64)&dentry->d_name.name - (u64)ctx;
	*out++ = (u64)&dentry->d_name.len - (u64)ctx;
	*out++ = FIELD(dentry->d_name, 1);
	*out++ = (u64)&task->comm[3] - (u64)ctx;
	*out++ = (u64)&task[2].pid - (u64)ctx;
	*out++ = FIELD(task->nsproxy, 1);
	*out++ = FIELD(task->pid, 3);
	*out++ = FIELD(task->in_execve, 0);
	*out++ = FIELD(task->in_execve, 1);
	*out++ = FIELD(task->in_execve, 3);
	*out++ = FIELD(task->in_execve, 4);
	*out++ = FIELD(task->in_execve, 5);
	*out++ = FIELD(task->pid, 4);
	*out++ = FIELD(task->no_such_field, 2);
	*out++ = FIELD(task->comm, 2);
	*out++ = TYPE(struct task_struct___mine, 0);
	*out++ = TYPE(struct no_such_struct, 0);
	*out++ = TYPE(struct task_struct___mine, 1);
	*out++ = TYPE(struct upid, 1);
	*out++ = TYPE(u64, 0);
	*out++ = VALUE(enum pid_type, PIDTYPE_TGID, 0);
	*out++ = VALUE(enum pid_type, PIDTYPE_NO_SUCH, 0);
	*out++ = VALUE(enum pid_type, PIDTYPE_TGID, 1);
	return 0;
}
