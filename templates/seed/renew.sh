# host_key and host_key_public are set above. This guest's disk was copied: what that may still hold of its
# identity, in a freed block, is nobody's from now on.
# shellcheck disable=SC2154
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
key=/etc/ssh/ssh_host_ed25519_key

fail() {
    printf '%s\n' "$1"
    exit 1
}

id=$(tr -d - </proc/sys/kernel/random/uuid)
printf '%s\n' "$id" >/etc/machine-id || fail 'cannot write /etc/machine-id'
if [ -f /var/lib/dbus/machine-id ] && ! [ -L /var/lib/dbus/machine-id ]; then
    printf '%s\n' "$id" >/var/lib/dbus/machine-id
fi
# The new key is there as a whole before the old one goes: a server that is asked meanwhile has one.
(umask 077 && printf '%s' "$host_key" >$key.new) || fail 'cannot write the host key'
printf '%s\n' "$host_key_public" >$key.pub.new || fail 'cannot write the host key'
if ! mv $key.pub.new $key.pub || ! mv $key.new $key; then
    fail 'cannot replace the host key'
fi
sync
# Returns when the server answers again, with the new key; connections that are there go on.
for unit in ssh sshd; do
    ! systemctl -q is-active $unit.service || systemctl restart $unit.service
done
exit 0
