#!/bin/bash
# The first thing that runs in a guest of tools/vm, as root: vm_guest.sh STATE KERNEL RWDIR...
#
# virtme-ng has mounted the host's root file system read-only, uncached. Here it is mounted once
# more, cached and with a writable layer in memory, and becomes the root: Python starts three
# times as fast, and a program may write where it likes. Then STATE/command.sh runs.
set -e
state=$1 kernel=$2
shift 2

mount -t bpf bpf /sys/fs/bpf
mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
mountpoint -q /sys/kernel/security || mount -t securityfs securityfs /sys/kernel/security
ulimit -l unlimited

stage=/run/pybpf
mkdir $stage
mount -t tmpfs -o size=80% tmpfs $stage
mkdir $stage/lower $stage/upper $stage/work $stage/root
mount -t 9p -o ro,trans=virtio,version=9p2000.L,access=any,msize=512000,cache=loose \
    pybpf $stage/lower
modprobe -d "$kernel" overlay
mount -t overlay -o lowerdir=$stage/lower,upperdir=$stage/upper,workdir=$stage/work \
    overlay $stage/root
cd $stage/root
for name in dev proc sys; do mount --rbind /$name $name; done
mount -t tmpfs tmpfs run
mkdir -p lib/modules
mount -t tmpfs tmpfs lib/modules
ln -s "$kernel/lib/modules/$(uname -r)" lib/modules/
for name; do mount --bind "$name" ".$name"; done
mount --move . /
touch "$state/up"
exec chroot . /bin/bash "$state/command.sh"
