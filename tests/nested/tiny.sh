#!/bin/busybox sh
# shellcheck shell=dash
# The first and only program of a tiny guest: the box's root file system without its init. It reads the seed as
# cloud-init would, as far as getting in takes it: host key, login key, address.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do
    insmod "$module"
done
mount -t ext4 /dev/vda /root
mount -t iso9660 -o ro /dev/vdb /seed

# The first text in quotes after a key, in the plain lines of a seed.
first() { # FILE KEY
    sed -n "/$2:/,\$s/^[^\"]*\"\([^\"]*\)\".*/\1/p" "/seed/$1" | head -n 1
}

user=migrant
chroot /root /usr/sbin/useradd --create-home --shell /bin/sh --password '*' $user
mkdir -p /root/home/$user/.ssh
first user-data ssh_authorized_keys >/root/home/$user/.ssh/authorized_keys
printf '%s ALL=(ALL) NOPASSWD:ALL\n' $user >/root/etc/sudoers.d/$user
chroot /root /bin/chown -R $user:$user /home/$user
sed -n '/BEGIN OPENSSH PRIVATE KEY/,/END OPENSSH PRIVATE KEY/s/^ *//p' /seed/user-data >/root/etc/ssh/ssh_host_ed25519_key
chmod 600 /root/etc/ssh/ssh_host_ed25519_key
hostname "$(first meta-data local-hostname)"
ip link set lo up
ip link set eth0 up
ip addr add "$(sed -n 's/^ *- "\(10[^"]*\)"$/\1/p' /seed/network-config | head -n 1)" dev eth0
ip route add default via "$(first network-config via)"
umount /seed

mount --move /dev /root/dev
mkdir -p /root/dev/pts
mount -t devpts devpts /root/dev/pts
mount -t proc proc /root/proc
mount -t tmpfs tmpfs /root/run
mkdir /root/run/sshd
chroot /root /usr/sbin/sshd -o UsePAM=no -o HostKey=/etc/ssh/ssh_host_ed25519_key

for port in /sys/class/virtio-ports/*; do
    [ "$(cat "$port/name")" = org.migrant.ready ] || continue
    while printf 'MIGRANT READY 1\n'; do
        sleep 1
    done >"/root/dev/${port##*/}"
done
while :; do
    sleep 3600
done
