# Makes the root file system as large as its disk, which has grown. It may run again at any time. Its last
# line is shown; disk and size (bytes) are set above (command/resize.c).
# shellcheck disable=SC2154
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail() {
    printf '%s\n' "$1"
    exit 1
}

# The device's own word that it has grown comes by an interrupt.
tries=0
until [ "$(($(cat "/sys/class/block/$disk/size") * 512))" -ge "$size" ]; do
    [ $tries -lt 300 ] || fail "the guest does not see that its disk has grown"
    tries=$((tries + 1))
    sleep 0.1
done

root=
while read -r device place type _; do
    [ "$place" != / ] || { root=$device kind=$type; }
done </proc/mounts
[ "$root" != /dev/root ] || root=/dev/$(basename "$(readlink -f "/sys/dev/block/$(mountpoint -d /)")")
name=${root#/dev/}

if [ "$name" != "$disk" ]; then
    [ -e "/sys/class/block/$disk/$name/partition" ] ||
        fail "the root file system is on $root, which is no partition of the disk: it is yours to make larger"
    number=$(cat "/sys/class/block/$disk/$name/partition")
    if command -v growpart >/dev/null; then
        said=$(growpart "/dev/$disk" "$number" 2>&1) || [ $? = 1 ] || fail "$said" # 1: nothing to do
    else
        said=$(echo ', +' | sfdisk --no-reread --force -q -N "$number" "/dev/$disk" 2>&1) || fail "$said"
        partx -u "/dev/$disk" || fail 'the kernel does not take the new partition'
    fi
fi

case $kind in
ext2 | ext3 | ext4) said=$(resize2fs "$root" 2>&1) || fail "$said" ;;
xfs) said=$(xfs_growfs / 2>&1) || fail "$said" ;;
btrfs) said=$(btrfs filesystem resize max / 2>&1) || fail "$said" ;;
*) fail "the root file system is $kind, which migrant cannot make larger" ;;
esac
