# name, host_key and host_key_public are set above. Makes of this guest, which is a copy, one of its own.
# shellcheck disable=SC2154
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

fail() {
    printf '%s\n' "$1"
    exit 1
}

printf '%s\n' "$name" >/etc/hostname || fail 'cannot write /etc/hostname'
hostname "$name" 2>/dev/null || printf '%s' "$name" >/proc/sys/kernel/hostname
hosts=$(grep -v '^127\.0\.1\.1[[:blank:]]' /etc/hosts)
printf '%s\n127.0.1.1 %s %s\n' "$hosts" "$name" "$name" >/etc/hosts

id=$(tr -d - </proc/sys/kernel/random/uuid)
printf '%s\n' "$id" >/etc/machine-id || fail 'cannot write /etc/machine-id'
if [ -f /var/lib/dbus/machine-id ] && ! [ -L /var/lib/dbus/machine-id ]; then
    printf '%s\n' "$id" >/var/lib/dbus/machine-id
fi
seed=/var/lib/systemd/random-seed
if [ -f $seed ]; then
    rm -f $seed
    (umask 077 && head -c 512 /dev/urandom >$seed)
fi
rm -f /var/lib/systemd/credential.secret
systemctl try-restart --no-block systemd-journald 2>/dev/null

# The new key is there as a whole before the old one goes: a server that is asked meanwhile has one.
key=/etc/ssh/ssh_host_ed25519_key
(umask 077 && printf '%s' "$host_key" >$key.new) || fail 'cannot write the host key'
printf '%s\n' "$host_key_public" >$key.pub.new || fail 'cannot write the host key'
find /etc/ssh -maxdepth 1 -name 'ssh_host_*' ! -name '*.new' ! -path "$key" -delete
if ! mv $key.pub.new $key.pub || ! mv $key.new $key; then
    fail 'cannot replace the host key'
fi
sync
# Returns when the server answers again, with the new key; connections that are there go on.
for unit in ssh sshd; do
    ! systemctl -q is-active $unit.service || systemctl restart $unit.service
done
exit 0
