#!/bin/sh
# mmdebstrap's essential hook: before the recipe's packages are installed. $1 is the box's root.
set -eu
root=$1

# The initrd needs the disk and its file system, not every driver there is.
mkdir -p "$root/etc/initramfs-tools/conf.d"
cat >"$root/etc/initramfs-tools/conf.d/migrant" <<'CONF'
MODULES=list
COMPRESS=zstd
RESUME=none
FSTYPE=ext4
CONF
cat >"$root/etc/initramfs-tools/modules" <<'MODULES'
virtio_pci
virtio_blk
ext4
MODULES
