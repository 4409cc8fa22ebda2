# Makes this guest's disk one that others may start from: what is its own goes aside into memory while
# migrant copies the disk. It comes back at migrant's word, and when migrant has died. boot and service
# are set above.
# shellcheck disable=SC2154
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap '' HUP INT TERM PIPE
umask 077
aside=/run/migrant-layer
program=/usr/local/lib/migrant/layer-boot
unit=/etc/systemd/system/migrant-layer.service
wanted=/etc/systemd/system/sysinit.target.wants/migrant-layer.service

# Its keys; what cloud-init was told, which holds them, too; seeds of random numbers; its identity; logs.
own() {
    find /etc/ssh -maxdepth 1 -name 'ssh_host_*'
    find /var/lib/cloud -type f 2>/dev/null | grep -v -e /sem/ -e '^/var/lib/cloud/data/'
    find /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/lib/dbus/machine-id \
        /etc/machine-id /etc/hostname /var/log -type f 2>/dev/null
}

# A log that somebody writes to stays the same file.
take_out() {
    while read -r file; do
        case $file in
        /var/log/journal/*) rm -f "$file" ;;
        /var/log/* | /etc/machine-id) : >"$file" ;;
        /etc/hostname) echo localhost >"$file" ;;
        *) shred -n 1 -u "$file" 2>/dev/null || rm -f "$file" ;;
        esac
    done <$aside/names
}

put_back() {
    rm -f $wanted $unit $program
    tar -xPpf $aside/own.tar --overwrite 2>/dev/null
    ! [ -e $aside/journal ] || journalctl --flush >/dev/null 2>&1
    sync
    rm -rf $aside
}

rm -rf $aside
mkdir -p $aside
(umask 022 && mkdir -p ${wanted%/*} ${program%/*}) || exit 1
if [ -d /var/log/journal ]; then
    journalctl --relinquish-var >/dev/null 2>&1 || exit 1
    touch $aside/journal
fi
own >$aside/names
tar -cPpf $aside/own.tar -T $aside/names 2>/dev/null
[ $? -le 1 ] || { # 1: somebody wrote a line into a log meanwhile
    rm -rf $aside
    exit 1
}
take_out
(umask 022 && printf '%s' "$boot" >$program && printf '%s' "$service" >$unit && ln -sf $unit $wanted) || {
    put_back
    exit 1
}
fstrim / 2>/dev/null # what was overwritten or deleted does not go into the copy
sync
echo ready
read -r _
put_back
echo back
