#!/bin/sh
# mmdebstrap's customize hook: what makes a Debian a box. $1 is the box's root. Everything here is
# either needed by migrant, or takes away what costs time at a boot without use in a sandbox.
set -eu
root=$1

write() {
	mkdir -p "$root/$(dirname "$1")"
	cat >"$root/$1"
}

# --- the kernel: booted from outside, so one fixed version whose modules stay ---------------------
# The metapackage would bring kernels that nothing boots, and make the running one's removable.
kernel=$(basename "$(ls "$root"/boot/vmlinuz-*)")
chroot "$root" apt-mark -qq manual "linux-image-${kernel#vmlinuz-}" >/dev/null
chroot "$root" dpkg --purge linux-image-cloud-amd64 >/dev/null
sed -i 's/^update_initramfs=.*/update_initramfs=no/' "$root/etc/initramfs-tools/update-initramfs.conf"

# --- cloud-init: one datasource, one network renderer, the modules that a user's file may use --------
write etc/cloud/cloud.cfg.d/90_migrant.cfg <<'CONF'
datasource_list: [NoCloud]
datasource:
  NoCloud:
    fs_label: cidata
system_info:
  distro: debian
  default_user: null
  network:
    renderers: [networkd]
apt:
  preserve_sources_list: true
locale: C.UTF-8
cloud_init_modules:
  - bootcmd
  - write-files
  - resizefs
  - mounts
  - set_hostname
  - update_etc_hosts
  - ca-certs
  - users-groups
  - ssh
cloud_config_modules:
  - locale
  - apt-configure
  - ntp
  - timezone
  - runcmd
cloud_final_modules:
  - package-update-upgrade-install
  - write-files-deferred
  - scripts-user
  - final-message
CONF
write etc/default/locale <<'CONF'
LANG=C.UTF-8
CONF

# --- network: static, by networkd; nobody waits for it ------------------------------------------
chroot "$root" systemctl --quiet enable systemd-networkd.service
write etc/hostname <<'CONF'
localhost
CONF
write etc/hosts <<'CONF'
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
CONF
: >"$root/etc/resolv.conf"
write etc/apt/sources.list <<'CONF'
deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main
CONF
rm -rf "$root"/etc/apt/sources.list.d/* "$root/etc/apt/apt.conf.d/99mmdebstrap"

# --- ssh: keys only, and no host key that all guests would share ----------------------------------
write etc/ssh/sshd_config.d/10-migrant.conf <<'CONF'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
CONF
rm -f "$root"/etc/ssh/ssh_host_*

# --- boot: the root file system is the whole disk ---------------------------------------------
write etc/fstab <<'CONF'
/dev/vda / ext4 errors=remount-ro 0 1
CONF
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	e2scrub_reap.service fstrim.timer getty@tty1.service systemd-networkd-wait-online.service \
	systemd-pstore.service cloud-init-hotplugd.socket; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
rm -rf "$root/var/log/journal"
chroot "$root" passwd --quiet --lock root
