# Mounts the shares that migrant offers, now and at every boot. It runs in the first boot and again at
# each 'migrant up', for the Migrantfile may have changed since. What it says in its last line is shown.
# user, owner and entries are set above, the calls of mount_share stand below (seed/share_script.c).
# shellcheck disable=SC2154
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022
begin='# begin of the shares, rewritten at each migrant up'
end='# end of the shares'
new=/etc/fstab.migrant

fail() {
    printf '%s\n' "$1"
    exit 1
}

# The block goes to the end; all else stays as it is.
write_fstab() {
    [ -e /etc/fstab ] || : >/etc/fstab
    cp -p /etc/fstab $new || fail 'cannot write /etc/fstab'
    if grep -qxF "$begin" /etc/fstab && grep -qxF "$end" /etc/fstab; then
        sed "/^$begin\$/,/^$end\$/d" /etc/fstab >$new
    else
        cat /etc/fstab >$new
    fi
    [ -z "$entries" ] || printf '%s\n%s\n%s\n' "$begin" "$entries" "$end" >>$new
    if cmp -s $new /etc/fstab; then
        rm $new
    else
        sync $new
        mv $new /etc/fstab || fail 'cannot write /etc/fstab'
    fi
}

is_wanted() { # TAG PLACE MODE, as /proc/mounts and fstab write it
    case "
$entries" in
    *"
$1 $2 virtiofs $3,"*) return 0 ;;
    esac
    return 1
}

is_named() { # PLACE
    case "
$entries" in
    *" $1 virtiofs "*) return 0 ;;
    esac
    return 1
}

# Shares of an earlier Migrantfile, also one that now belongs somewhere else or is mounted in another mode.
unmount_others() {
    mounts=$(cat /proc/mounts)
    while read -r tag place type options; do
        case $type:$tag in
        tmpfs:migrant-share) is_named "$place" || umount "$(printf '%b' "$place")" ;;
        virtiofs:share[0-9]*) is_wanted "$tag" "$place" "${options%%,*}" || umount -l "$(printf '%b' "$place")" ;;
        esac
    done <<END
$mounts
END
}

is_mounted() { # TAG PLACE [TYPE]
    top=
    while read -r tag place type options; do
        [ "$place" != "$2" ] || top=$type:$tag
    done </proc/mounts
    [ "$top" = "${3:-virtiofs}:$1" ]
}

# After a suspend the place is closed (shares-release.sh), and the device is there as soon as the guest has seen
# it. It is mounted aside first, so that the directory below is bare for no longer than it must.
open_again() { # TAG PATH
    aside=/run/migrant-share
    options=$(printf '%s\n' "$entries" | while read -r tag _ _ options _; do
        [ "$tag" != "$1" ] || printf '%s' "${options%,nofail}"
    done)
    mkdir -p $aside
    tries=150
    until said=$(mount -t virtiofs -o "$options" -- "$1" $aside 2>&1); do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "$said"
        sleep 0.2
    done
    if ! umount -- "$2" || ! mount --bind -- $aside "$2"; then
        fail "cannot mount $2 again"
    fi
    umount $aside && rmdir $aside
}

mount_share() { # TAG PATH PLACE
    is_mounted "$1" "$3" && return
    if is_mounted migrant-share "$3" tmpfs; then
        open_again "$1" "$2"
        return
    fi
    if ! [ -d "$2" ]; then
        runuser -u "$user" -- mkdir -p -- "$2" 2>/dev/null ||
            { mkdir -p -- "$2" && chown "$user:" "$2"; } || fail "cannot make the directory $2"
    fi
    real=$(readlink -f -- "$2")
    [ "$real" = "$2" ] || fail "$2 leads to $real in the guest: write that into the Migrantfile"
    said=$(mount -- "$2" 2>&1) || fail "$said"
    is_mounted "$1" "$3" || fail "$2 is not what is mounted there"
}

write_fstab
unmount_others
[ -n "$entries" ] || exit 0
grep -qw virtiofs /proc/filesystems || modprobe virtiofs 2>/dev/null ||
    fail "the guest's kernel ($(uname -r)) has no virtiofs, which shares need"
[ "$(id -u "$user"):$(id -g "$user")" = "$owner:$owner" ] ||
    fail "the user $user is $(id -u "$user"):$(id -g "$user") in the guest, but a share's files belong to $owner:$owner"
