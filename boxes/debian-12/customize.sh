#!/bin/sh
# mmdebstrap's customize hook: what makes a Debian a box. $1 is the box's root. Everything here is
# either needed by migrant, or takes away what costs time at a boot without use in a sandbox.
set -eu
root=$1
here=$(dirname "$0")

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
  - locale
  - timezone
  - ntp
  - apt-configure
cloud_config_modules: []
cloud_final_modules:
  - package-update-upgrade-install
  - write-files-deferred
  - runcmd
  - scripts-user
  - final-message
CONF
# Its Python is most of a first boot's time, so it is run in the way that costs least. The target is
# wanted by a link and not by cloud-init's generator, which would look for datasources at each boot.
mkdir -p "$root/usr/local/lib/migrant" "$root/etc/systemd/system/multi-user.target.wants" \
	"$root/etc/systemd/system-generators"
cp "$here"/cloud-init/*.py "$root/usr/local/lib/migrant/"
for stage in "-local:init --local" ":init" "-final:modules --mode=final"; do
	write "etc/systemd/system/cloud-init${stage%%:*}.service.d/migrant.conf" <<-CONF
		[Unit]
		ConditionPathExists=!/etc/cloud/cloud-init.disabled
		[Service]
		ExecStart=
		ExecStart=/usr/bin/python3 /usr/local/lib/migrant/run.py ${stage#*:}
	CONF
done
mv "$root/etc/systemd/system/cloud-init-final.service.d" "$root/etc/systemd/system/cloud-final.service.d"
ln -s /dev/null "$root/etc/systemd/system-generators/cloud-init-generator"
ln -s /lib/systemd/system/cloud-init.target "$root/etc/systemd/system/multi-user.target.wants/"
write etc/default/locale <<'CONF'
LANG=C.UTF-8
CONF

# --- the first boot without a cloud-init.yml: the seed begins with a script (src/seed/first_script.c) ----
write usr/local/lib/migrant/first-boot <<'SH'
#!/bin/sh
# Runs what migrant's seed begins with. An older migrant, or a cloud-init.yml: there is nothing, and cloud-init goes on.
seed=/dev/vdb
[ -b $seed ] && [ "$(head -c 22 $seed | tr -d '\0')" = '# migrant first boot 1' ] || exit 0
exec sh $seed
SH
write etc/systemd/system/migrant-first-boot.service <<'CONF'
[Unit]
Description=Take on what migrant gives
DefaultDependencies=no
After=systemd-remount-fs.service
Before=cloud-init-local.service systemd-networkd.service sysinit.target shutdown.target
Conflicts=shutdown.target
ConditionPathExists=!/var/lib/migrant/finished

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /usr/local/lib/migrant/first-boot
StandardOutput=journal+console
CONF
mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
ln -s /etc/systemd/system/migrant-first-boot.service "$root/etc/systemd/system/sysinit.target.wants/"

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
# The check before the start is a start of its own, and sshd says the same when it ends. -r: it does not load itself anew
# for each connection, a third of what a login takes; nobody but migrant's side of the gateway can open one.
write etc/systemd/system/ssh.service.d/migrant.conf <<'CONF'
[Service]
ExecStartPre=
ExecStart=
ExecStart=/usr/sbin/sshd -D -r $SSHD_OPTS
CONF

# What a login says is static; what would make it anew at each costs as much as the shell that follows.
sed -i '/pam_motd.so *motd=/d' "$root/etc/pam.d/sshd"
# The manager of a user's services stays once it was started: a start for each login is half of what one takes.
write etc/systemd/logind.conf.d/migrant.conf <<'CONF'
[Login]
UserStopDelaySec=infinity
CONF

# --- boot: the root file system is the whole disk, writable from the beginning ---------------------
# Nothing has to be mounted anew then; a Migrantfile's own command line may say `ro`. What an error does to it stands
# in its superblock as well (image.sh).
write etc/fstab <<'CONF'
/dev/vda / ext4 errors=remount-ro 0 0
CONF
write etc/systemd/system/systemd-remount-fs.service.d/migrant.conf <<'CONF'
[Unit]
ConditionKernelCommandLine=ro
CONF

# --- time: a boot under emulation pays for every process ----------------------------------------
# Timers that a machine of a few hours does not need; screens, pstore, kernel interfaces that somebody
# who debugs can mount; passwords of disks, which nobody is there to type; the record of boots in utmp;
# cloud-init's middle stage, whose modules run in the first one here.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
	e2scrub_reap.service fstrim.timer getty@tty1.service systemd-networkd-wait-online.service \
	systemd-network-generator.service systemd-pstore.service systemd-binfmt.service \
	proc-sys-fs-binfmt_misc.automount sys-kernel-debug.mount sys-kernel-tracing.mount \
	sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount \
	modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service \
	modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service \
	systemd-ask-password-console.path systemd-ask-password-wall.path systemd-initctl.socket \
	systemd-journald-audit.socket systemd-update-utmp.service systemd-update-utmp-runlevel.service \
	cloud-config.service cloud-init-hotplugd.socket; do
	ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# Each generator is a process at each boot. Those that stay are for fstab, the console, rc.local and init.d.
for generator in cryptsetup debug gpt-auto hibernate-resume integritysetup run system-update veritysetup; do
	ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$generator-generator"
done
# A login starts a manager of user services, and that looks for a desktop's.
mkdir -p "$root/etc/systemd/user-generators"
ln -s /dev/null "$root/etc/systemd/user-generators/systemd-xdg-autostart-generator"
# A flush is for a journal that somebody wants to keep.
write etc/systemd/system/systemd-journal-flush.service.d/migrant.conf <<'CONF'
[Unit]
ConditionPathIsDirectory=/var/log/journal
CONF

# Rules for devices that no sandbox has, which cost time for each one that it has.
mkdir -p "$root/etc/udev/rules.d"
for rules in 60-autosuspend 60-cdrom_id 60-drm 60-evdev 60-fido-id 60-infiniband \
	60-persistent-alsa 60-persistent-input 60-persistent-storage-tape 60-persistent-v4l 60-sensor \
	60-serial 66-azure-ephemeral 70-camera 70-joystick 70-memory 70-mouse 70-touchpad 70-uaccess \
	71-seat 73-seat-late 73-special-net-names 75-net-description 75-probe_mtd 78-sound-card \
	81-net-dhcp 85-hwclock 96-e2scrub; do
	ln -s /dev/null "$root/etc/udev/rules.d/$rules.rules"
done
# What is there before udev, and matters: the rest is consoles without a screen, and parts of the
# kernel. What comes later reports itself. The processor's own modules (kvm) come when all else is up, and
# while nothing else wants to run: the first login comes at the same time.
write etc/systemd/system/systemd-udev-trigger.service.d/migrant.conf <<'CONF'
[Service]
ExecStart=
ExecStart=-udevadm trigger --type=devices --action=add -s block -s net -s virtio -s virtio-ports -s input -s acpi -s pci -s misc -s rtc
ExecStart=-udevadm trigger --type=devices --action=add -s tty --sysname-match=ttyS0
CONF
write etc/systemd/system/migrant-processor.service <<'CONF'
[Unit]
Description=Load what the processor offers
After=migrant-ready.service ssh.service

[Service]
CPUSchedulingPolicy=idle
ExecStart=-/bin/sh -c 'exec modprobe -abq "$(cat /sys/devices/system/cpu/modalias)"'
CONF
ln -s /etc/systemd/system/migrant-processor.service "$root/etc/systemd/system/multi-user.target.wants/"
# systemd-update-done(8): nothing has to be brought up to date at the first boot.
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"
rm -rf "$root/var/log/journal"
chroot "$root" passwd --quiet --lock root
