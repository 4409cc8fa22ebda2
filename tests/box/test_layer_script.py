"""How a guest stands aside from its disk while that is copied, and how one that starts from it becomes another: the scripts, played in a mount namespace."""

import pathlib
import subprocess

import pytest

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden/seed"

# A guest's own files, over this machine's directories; what lies there is told by digest, mode and name.
GUEST = r"""
set -e
work=$1
mount --bind /bin/true "$(command -v fstrim)"  # this machine's free blocks are none of ours
mount -t tmpfs tmpfs "$work"
for d in /etc /var/lib /var/log /usr/local; do
    mkdir -p "$work/upper$d" "$work/work$d"
    mount -t overlay overlay -o "lowerdir=$d,upperdir=$work/upper$d,workdir=$work/work$d" "$d"
done
mount -t tmpfs tmpfs /run
rm -rf /etc/ssh/ssh_host_* /var/log/* /var/lib/cloud /var/lib/systemd/random-seed
mkdir -p /etc/ssh /var/lib/systemd /var/lib/cloud/instances/x/sem /var/lib/cloud/data /var/log/app
echo private >/etc/ssh/ssh_host_ed25519_key; chmod 600 /etc/ssh/ssh_host_ed25519_key
echo public >/etc/ssh/ssh_host_ed25519_key.pub
rm -f /etc/machine-id /etc/hostname
echo 0123456789abcdef0123456789abcdef >/etc/machine-id; chmod 444 /etc/machine-id
echo first >/etc/hostname
echo private >/var/lib/cloud/instances/x/user-data.txt
touch /var/lib/cloud/instances/x/sem/config_ssh; echo kept >/var/lib/cloud/data/status.json
echo seed >/var/lib/systemd/random-seed; chmod 600 /var/lib/systemd/random-seed
echo said >/var/log/app/app.log
look() {
    find /etc/ssh /etc/machine-id /etc/hostname /etc/systemd/system/sysinit.target.wants /var/lib/cloud \
        /var/lib/systemd/random-seed /var/log /usr/local/lib/migrant /etc/systemd/system/migrant-layer.service \
        -type f -exec sh -c 'for f; do echo "$(md5sum <"$f" | cut -c1-32) $(stat -c %a "$f") $f"; done' - {} + 2>/dev/null | sort -k3 || true
}
exec 7>>/var/log/app/app.log  # somebody who goes on writing
look >"$work/before"
mkfifo "$work/in"
sh "$2" <"$work/in" >"$work/said" 2>"$work/complaints" &
exec 5>"$work/in"
until grep -q ready "$work/said"; do kill -0 $! 2>/dev/null || { cat "$work/complaints"; exit 9; }; sleep 0.1; done
look >"$work/aside"
cat /etc/hostname /etc/machine-id /var/log/app/app.log >"$work/texts"
eval "$3"  # the word, or the end of the input
exec 5>&-
wait
echo more >&7
look >"$work/after"
tail -n 1 /var/log/app/app.log >>"$work/said"
ls -A /run >>"$work/said"
for name in before aside after texts said complaints; do echo "=== $name"; cat "$work/$name"; done
"""


# A guest on its first boot from a layer; the seed is a device there.
FIRST_BOOT = r"""
set -e
work=$1
mount -t tmpfs tmpfs "$work"
for d in /etc /usr/local; do
    mkdir -p "$work/upper$d" "$work/work$d"
    mount -t overlay overlay -o "lowerdir=$d,upperdir=$work/upper$d,workdir=$work/work$d" "$d"
done
wanted=/etc/systemd/system/sysinit.target.wants
mkdir -p /usr/local/lib/migrant $wanted
touch /usr/local/lib/migrant/layer-boot /etc/systemd/system/migrant-layer.service
ln -s ../migrant-layer.service $wanted/
rm -rf /etc/hostname /etc/hosts /etc/ssh/ssh_host_*
echo localhost >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 first first\n::1 localhost\n' >/etc/hosts
device=$(losetup -f --show "$2")
sed "s|^seed=/dev/vdb$|seed=$device|" "$3" >"$work/boot"
sh "$work/boot" || status=$?
losetup -d "$device"
echo "${status:-0}"
hostname
cat /etc/hostname /etc/hosts
find /usr/local/lib/migrant /etc/systemd/system/migrant-layer.service $wanted/migrant-layer.service ! -type d 2>/dev/null || true
cd /etc/ssh
for key in ssh_host_*; do [ ! -e "$key" ] || stat -c '%a %n' "$key"; done
"""


def first_boot(tmp_path, seed):
    script, work = tmp_path / "boot.sh", tmp_path / "work"
    script.write_text(FIRST_BOOT)
    work.mkdir()
    boot = GOLDEN.parent.parent.parent / "templates/seed/layer-boot.sh"
    done = subprocess.run(["unshare", "-m", "-u", "--propagation", "private", "sh", script, work, seed, boot],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_who_starts_from_a_layer_becomes_another(tmp_path):
    assert first_boot(tmp_path, GOLDEN / "identity") == [
        "0", "claude", "claude", "127.0.0.1 localhost", "::1 localhost", "127.0.1.1 claude claude",
        "600 ssh_host_ed25519_key", "644 ssh_host_ed25519_key.pub"]


def test_a_device_without_an_identity_is_not_run(tmp_path):
    seed = tmp_path / "seed"
    seed.write_bytes(b"echo ran >/etc/hostname\n".ljust(512))
    found = first_boot(tmp_path, seed)
    assert found[0] == "1" and "localhost" in found and "ran" not in found


def play(tmp_path, ending):
    script = tmp_path / "guest.sh"
    script.write_text(GUEST)
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", script, work, GOLDEN / "layer", ending],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = dict(part.split("\n", 1) for part in done.stdout.split("=== ")[1:])
    return {name: text.splitlines() for name, text in parts.items()}


@pytest.mark.parametrize("ending", ["echo >&5", ":"], ids=["at migrant's word", "when migrant has died"])
def test_what_is_its_own_is_put_aside_and_taken_back(tmp_path, ending):
    found = play(tmp_path, ending)
    names = [line.split(" ", 2)[2] for line in found["aside"]]
    assert "/var/lib/cloud/data/status.json" in names and "/var/lib/cloud/instances/x/sem/config_ssh" in names
    for own in ("ssh_host_", "user-data", "random-seed"):
        assert not any(own in name for name in names), names
    assert found["texts"] == ["localhost"]  # no machine-id, no log
    assert "/usr/local/lib/migrant/layer-boot" in names and "/etc/systemd/system/migrant-layer.service" in names
    # all of it again, with its modes; only the log has gone on
    log = "/var/log/app/app.log"
    assert [line for line in found["after"] if log not in line] == [line for line in found["before"] if log not in line]
    assert found["said"] == ["ready", "back", "more"], found  # and nothing in memory any more
