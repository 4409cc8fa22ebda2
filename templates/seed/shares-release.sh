# Lets go of the shares before the guest's memory is saved: no memory can be saved with a share in it. What uses
# one stops it, and what it says in its last line is shown; 'migrant' has the shares mounted again then.
# The calls of release_share stand below (seed/share_script.c).
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

fail() {
    printf '%s\n' "$1"
    exit 1
}

# Who has something open below a path: "sh (812), vim (1044)"; nothing where find cannot tell.
users_of() { # PATH
    find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe /proc/[0-9]*/fd -maxdepth 1 -type l -printf '%p %l\n' 2>/dev/null |
        while read -r link target; do
            case $target in
            "$1" | "$1"/*)
                pid=${link#/proc/}
                echo "${pid%%/*}"
                ;;
            esac
        done | sort -un | head -n 5 | while read -r pid; do
        printf '%s%s (%s)' "${separator-}" "$(cat "/proc/$pid/comm" 2>/dev/null)" "$pid"
        separator=', '
    done
}

is_mounted() { # TAG PLACE
    top=
    while read -r tag place type _; do
        [ "$place" != "$2" ] || top=$type:$tag
    done </proc/mounts
    [ "$top" = "virtiofs:$1" ]
}

# What uses the path meanwhile gets an error, and not a bare directory to write into.
release_share() { # TAG PATH PLACE
    is_mounted "$1" "$3" || return 0
    if ! said=$(umount -- "$2" 2>&1); then
        users=$(users_of "$2")
        fail "$2 is in use there${users:+ by $users}: ${said##*: }"
    fi
    mount -t tmpfs -o ro,nosuid,nodev,noexec,mode=0,size=4k migrant-share "$2" || fail "cannot close $2"
}

release_all() {
    ! grep -qs '^share[0-9]* [^ ]* virtiofs ' /proc/[0-9]*/mounts || fail 'a share is mounted in another place as well'
}
