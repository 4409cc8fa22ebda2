#!/bin/sh
# mmdebstrap's last hook: takes out of the box's root ($1) what belongs to the build, and makes the
# file system in the file that is our standard input (opened for writing, too). That file belongs to the user who builds,
# whom we do not see from inside the user namespace; the descriptor needs no path.
set -eu
root=${1:?}

rm -rf "${root:?}"/boot/* "$root"/vmlinuz* "$root"/initrd.img* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* \
	"$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root"/var/log/apt/* \
	"$root"/var/log/*.log "$root"/tmp/* "$root"/etc/apt/apt.conf.d/00mmdebstrap
rm -f "$root/var/lib/dbus/machine-id" "$root/usr/sbin/policy-rc.d"
[ ! -e "$root/sbin/start-stop-daemon.REAL" ] || mv "$root/sbin/start-stop-daemon.REAL" "$root/sbin/start-stop-daemon"
: >"$root/etc/machine-id"

# Without what is mounted inside it: a bind mount shows the tree alone.
tree=$root/mnt
mount --bind "$root" "$tree"
mkfs.ext4 -q -F -L root -m 1 -e remount-ro -E root_owner=0:0 -d "$tree" /proc/self/fd/0 >&2
umount "$tree"
