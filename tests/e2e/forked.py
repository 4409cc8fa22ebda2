"""What tests of forks look at in a guest."""

KEY = "cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub"
# Line by line what no two may have in common.
IDENTITY = f"""hostname; cat /etc/machine-id; {KEY}; cat /proc/sys/kernel/random/boot_id
sudo sha256sum /var/lib/systemd/random-seed 2>/dev/null | cut -d' ' -f1"""
# Counts in a file, without end.
WRITER = """setsid sh -c 'i=0; while i=$((i + 1)); do echo $i >>log; [ $((i % 20)) != 0 ] || sleep 0.1; done' >/dev/null 2>&1 </dev/null &"""


def check_written(text, at_least):
    """As after a power cut: what was written is there in its order, up to some moment."""
    lines = text.splitlines()
    assert lines[:-1] == [str(i + 1) for i in range(len(lines) - 1)]
    assert len(lines) >= at_least
