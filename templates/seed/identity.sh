# name, host_key and host_key_public are set above. Once only: what called this goes with it. The boot waits for it, so
# it does with the shell's own words what these can.
# shellcheck disable=SC2154
umask 022
printf '%s\n' "$name" >/etc/hostname
printf '%s' "$name" >/proc/sys/kernel/hostname
hosts=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    127.0.1.1[[:blank:]]*) ;;
    *) hosts="$hosts$line
" ;;
    esac
done </etc/hosts
printf '%s127.0.1.1 %s %s\n' "$hosts" "$name" "$name" >/etc/hosts
set -- /etc/ssh/ssh_host_*
! [ -e "$1" ] || rm -f "$@"
umask 077
printf '%s' "$host_key" >/etc/ssh/ssh_host_ed25519_key
umask 022
printf '%s\n' "$host_key_public" >/etc/ssh/ssh_host_ed25519_key.pub
sync
rm -f /etc/systemd/system/sysinit.target.wants/migrant-layer.service \
    /etc/systemd/system/migrant-layer.service /usr/local/lib/migrant/layer-boot
sync # nobody asks for it before the state after `up` is kept
exit 0
