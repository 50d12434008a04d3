#!/bin/busybox sh
# /init of a guest of tools/vm. From /guest come: $state, a folder of the host where the command
# stands; $modules, the kernel's; shared(), which names the folders that may be written.
#
# The host's root file system is mounted read-only with a writable layer in memory, and becomes
# the root. No init system and no udev: a guest is up in a few seconds even under emulation.
set -e
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/null >/dev/console 2>&1
for module in $(cat /modules/order); do insmod "/modules/$module"; done
. /guest

plan9=trans=virtio,version=9p2000.L,access=any,msize=512000
mkdir /lower /layer /new
mount -t 9p -o ro,cache=loose,$plan9 root /lower
mount -t tmpfs -o size=80% tmpfs /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /new
share() {
    mkdir -p "/new$2"
    mount -t 9p -o rw,$plan9 "$1" "/new$2"
}
shared
mkdir -p /new/lib/modules
mount -t tmpfs tmpfs /new/lib/modules
ln -s "$modules" /new/lib/modules/

# Nodes that load their module when they are opened: loop-control, fuse, net/tun, ...
grep -v '^#' "/new$modules/modules.devname" | tr : ' ' | while read -r _ node kind minor; do
    mkdir -p "/dev/$(dirname "$node")"
    [ -e "/dev/$node" ] ||
        mknod "/dev/$node" "$(echo "$kind" | cut -c 1)" "$(echo "$kind" | cut -c 2-)" "$minor"
done
mkdir /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd
for name in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${name#*:}" "/dev/${name%:*}"; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
for name in dev proc sys; do mount --move /$name /new/$name; done
mount -t tmpfs tmpfs /new/run
hostname pybpf
ip link set lo up
ulimit -l unlimited

# A port of virtio-serial opens once only; a FIFO in front of it opens as often as one likes.
mkfifo /new/run/out /new/run/err
for port in /new/sys/class/virtio-ports/*; do
    ln -s "/dev/${port##*/}" "/new/run/port.$(cat "$port/name")"
done
exec switch_root /new /bin/bash "$state/command.sh"
