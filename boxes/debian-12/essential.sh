#!/bin/sh
# mmdebstrap's essential hook: before the recipe's packages are installed. $1 is the box's root.
#
# The initrd is made while the kernel is installed, so what it shall be is said here: it mounts the
# disk, which is always the same virtio device, and nothing else. Without udev in it a boot under
# emulation is seconds shorter. BUSYBOX=n: a busybox that the recipe installs would stand in for the
# programs that the hook below keeps, and the box would not boot.
set -eu
root=$1

mkdir -p "$root/etc/initramfs-tools/conf.d" "$root/etc/initramfs-tools/hooks"
cat >"$root/etc/initramfs-tools/conf.d/migrant" <<'CONF'
MODULES=list
COMPRESS=zstd
RESUME=none
FSTYPE=ext4
BUSYBOX=n
CONF
cat >"$root/etc/initramfs-tools/modules" <<'MODULES'
virtio_pci
virtio_blk
ext4
MODULES
cat >"$root/etc/initramfs-tools/hooks/zz-migrant" <<'HOOK'
#!/bin/sh
# After all other hooks: takes out all that they brought but klibc's few programs and the modules, in the
# order in which they load, and puts a small init in. kmod and its libraries alone were thirty times as much to unpack.
[ "$1" != prereqs ] || exit 0
modprobe -S "${version:?}" --show-depends -a virtio_pci virtio_blk ext4 |
	sed -n 's/^insmod \([^ ]*\).*/\1/p' >"$DESTDIR/modules"
find "$DESTDIR" -type f ! -path "$DESTDIR/modules" ! -name '*.ko' ! -name 'klibc-*.so' \
	! -path "$DESTDIR/usr/bin/sh" ! -path "$DESTDIR/usr/bin/cat" ! -path "$DESTDIR/usr/bin/sleep" \
	! -path "$DESTDIR/usr/bin/mount" ! -path "$DESTDIR/usr/bin/umount" \
	! -path "$DESTDIR/usr/bin/insmod" ! -path "$DESTDIR/usr/bin/run-init" -delete
cat >"$DESTDIR/init" <<'INIT'
#!/bin/sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin
mount -t devtmpfs -o nosuid,mode=0755 udev /dev
mount -t proc proc /proc
root=/dev/vda mode=ro init=/sbin/init
for word in $(cat /proc/cmdline); do
	case $word in
	root=*) root=${word#root=} ;;
	init=*) init=${word#init=} ;;
	ro | rw) mode=$word ;;
	esac
done
for module in $(cat /modules); do
	insmod "$module" 2>/dev/null # one that two others need comes twice
done
tries=0
until [ -b "$root" ] || [ $tries = 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
mount -t ext4 -o $mode "$root" /root || echo "migrant: cannot mount $root"
umount /proc
mount -n -o move /dev /root/dev
exec run-init /root "$init" </root/dev/console >/root/dev/console 2>&1
INIT
chmod 755 "$DESTDIR/init"
mkdir -p "$DESTDIR/root" "$DESTDIR/proc" "$DESTDIR/dev"
HOOK
chmod 755 "$root/etc/initramfs-tools/hooks/zz-migrant"
