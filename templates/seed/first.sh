# The first boot of a box that knows how, when nobody asks for more than migrant does: what cloud-init would do, in a
# tenth of its time. name, user, public_key, host_key, host_key_public, resolver, network, link, ready and ready_service
# are set above. A boot that was cut off begins here again.
# shellcheck disable=SC2154
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

put() { # FILE TEXT
    printf '%s\n' "$2" >"$1"
}

set_name() {
    put /etc/hostname "$name"
    hostname "$name"
    hosts=$(grep -v '^127\.0\.1\.1[[:blank:]]' /etc/hosts)
    printf '%s\n127.0.1.1 %s %s\n' "$hosts" "$name" "$name" >/etc/hosts
}

set_host_key() {
    rm -f /etc/ssh/ssh_host_*
    (umask 077 && printf '%s' "$host_key" >/etc/ssh/ssh_host_ed25519_key) &&
        put /etc/ssh/ssh_host_ed25519_key.pub "$host_key_public"
}

make_user() {
    id -u "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user" || return
    home=$(getent passwd "$user" | cut -d : -f 6)
    if ! [ -d "$home" ]; then
        cp -R /etc/skel "$home" && chown -R "$user:" "$home" || return
    fi
    install -d -m 700 -o "$user" -g "$user" "$home/.ssh" || return
    install -m 600 -o "$user" -g "$user" /dev/null "$home/.ssh/authorized_keys" || return
    put "$home/.ssh/authorized_keys" "$public_key"
    (umask 337 && rm -f /etc/sudoers.d/90-migrant && put /etc/sudoers.d/90-migrant "$user ALL=(ALL) NOPASSWD:ALL")
}

set_network() {
    put /etc/systemd/network/10-migrant.link "$link"
    put /etc/systemd/network/10-migrant.network "$network"
    [ -L /etc/resolv.conf ] || put /etc/resolv.conf "nameserver $resolver"
}

# Starting it by name spares systemd to load all units anew; it waits for the SSH server by itself.
say_ready() {
    mkdir -p /usr/local/lib/migrant /etc/systemd/system/multi-user.target.wants
    put /usr/local/lib/migrant/ready "$ready"
    put /etc/systemd/system/migrant-ready.service "$ready_service"
    ln -sf /etc/systemd/system/migrant-ready.service /etc/systemd/system/multi-user.target.wants/
    systemctl start --no-block migrant-ready.service
}

# Its units of this boot look for that file; `cloud-init status` says so.
spare_cloud_init() {
    touch /etc/cloud/cloud-init.disabled
    rm -f /etc/systemd/system/multi-user.target.wants/cloud-init.target
}

# Whoever fails here leaves the boot to cloud-init, which begins with the same seed.
set_name && set_host_key && make_user && set_network || exit 1
resize2fs /dev/vda
spare_cloud_init
mkdir -p /var/lib/migrant
sync
touch /var/lib/migrant/finished
say_ready
sync
exit 0
