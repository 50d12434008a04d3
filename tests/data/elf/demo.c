/* clang -O2 -g -target bpf -mcpu=v2 -c demo.c -o demo.o && llvm-strip -g demo.o */
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))

struct { int (*type)[1]; int (*max_entries)[16]; u32 *key; u64 *value; } counts SEC(".maps");
static void *(*map_lookup_elem)(void *, const void *) = (void *)1;
static long (*loop)(u32, void *, void *, u64) = (void *)181;
extern void kernel_function(void) __attribute__((section(".ksyms")));
const volatile u64 pad = 1, limit = 10;

__attribute__((noinline)) u64 twice(u64 number) { return number * 2; }
static long step(u32 index, void *ctx) { return 0; }

SEC("kprobe/vfs_read") int probe(void *ctx)
{
    u32 key = 0;
    u64 *value = map_lookup_elem(&counts, &key);
    if (value)
        *value = twice(limit);
    loop(3, step, 0, 0);
    kernel_function();
    return 0;
}
