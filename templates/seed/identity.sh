# name, host_key and host_key_public are set above. Once only: what called this goes with it.
# shellcheck disable=SC2154
umask 022
printf '%s\n' "$name" >/etc/hostname
hostname "$name" 2>/dev/null || printf '%s' "$name" >/proc/sys/kernel/hostname
hosts=$(grep -v '^127\.0\.1\.1[[:blank:]]' /etc/hosts)
printf '%s\n127.0.1.1 %s %s\n' "$hosts" "$name" "$name" >/etc/hosts
rm -f /etc/ssh/ssh_host_*
(
    umask 077
    printf '%s' "$host_key" >/etc/ssh/ssh_host_ed25519_key
)
printf '%s\n' "$host_key_public" >/etc/ssh/ssh_host_ed25519_key.pub
sync
rm -f /etc/systemd/system/sysinit.target.wants/migrant-layer.service \
    /etc/systemd/system/migrant-layer.service /usr/local/lib/migrant/layer-boot
sync # nobody asks for it before the state after `up` is kept
exit 0
