"""`migrant box add`, `remove`, `prune`: good images get in, everything else leaves no trace."""

import hashlib
import json
import pathlib
import subprocess
import time

import pytest

from lab import LAN_HOST, stop

POOL = "/var/lib/libvirt/images/migrant"
WEB = "/home/dev/web"
PORT = 8099
URL = f"http://127.0.0.1:{PORT}"
HERE = pathlib.Path(__file__).resolve().parent


def volumes(host):
    return sorted(host.run("ls", POOL).stdout.split())


@pytest.fixture(scope="module")
def web(host):
    """A directory of dev's, served in the host; good.qcow2 lies in it."""
    host.sh(f"mkdir -p {WEB}; cd {WEB}; qemu-img create -q -f qcow2 good.qcow2 1G; chown -R dev: {WEB}")
    server = host.spawn("/usr/bin/python3", HERE / "webserver.py", WEB, str(PORT), stdin=subprocess.PIPE)
    until = time.monotonic() + 10
    while host.run("curl", "-s", URL, check=False).returncode:
        assert time.monotonic() < until
        time.sleep(0.1)
    yield f"/proc/{host.pid}/root{WEB}"
    stop(server)


@pytest.fixture
def box(host, web):
    """Runs `migrant box …` as dev. Whatever happens, no file stays in the cache and no volume without a box."""

    def run(*argv, user="dev", **options):
        options.setdefault("check", False)
        return host.run("migrant", "box", *argv, user=user, cwd=f"/home/{user}", **options)

    yield run
    assert host.sh("ls -A /home/dev/.cache/migrant 2>/dev/null || true").stdout == ""
    for domain in host.run("virsh", "-q", "list", "--all", "--name").stdout.split():
        host.run("virsh", "-q", "undefine", domain)
    for volume in volumes(host):
        if volume.startswith("disk-"):
            host.run("pooltool", "delete", volume)
    assert run("prune", "-f").returncode == 0
    assert volumes(host) == []


def digest(web, name, kind="sha256"):
    return f"{kind}:" + hashlib.new(kind, pathlib.Path(web, name).read_bytes()).hexdigest()


def errors(result):
    return [line for line in result.stderr.splitlines() if "error:" in line]


def refused(host, result, code, text):
    assert result.returncode == code, result.stderr
    assert len(errors(result)) == 1 and text in result.stderr, result.stderr
    assert volumes(host) == []


# -- what gets in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sha256", "sha512"])
@pytest.mark.parametrize("source", [f"{URL}/good.qcow2", f"{WEB}/good.qcow2", f"file://{WEB}/good.qcow2"])
def test_good(host, box, web, source, kind):
    result = box("add", source, "--checksum", digest(web, "good.qcow2", kind))
    assert result.returncode == 0, result.stderr
    sha256 = digest(web, "good.qcow2").removeprefix("sha256:")
    assert volumes(host) == [f"base-{sha256}.qcow2", "box-good.json"]
    host.run("cmp", f"{WEB}/good.qcow2", f"{POOL}/base-{sha256}.qcow2")
    assert host.run("stat", "-c", "%U %a", f"{POOL}/base-{sha256}.qcow2").stdout == "root 444\n"
    info = json.loads(box("info", "--json", "good").stdout)
    assert info["digest"] == sha256 and info["virtual_bytes"] == 1 << 30 and info["boot"] == "bios"
    assert host.run("pooltool", "box", "good", user="dev").stdout == f"base-{sha256}.qcow2\n"


@pytest.mark.parametrize("line", ["{0}  good.qcow2\n", "{0} *good.qcow2\n", "SHA256 (good.qcow2) = {0}\n", "{0}\n"])
def test_file_of_checksums(host, box, web, line):
    sha256 = digest(web, "good.qcow2").removeprefix("sha256:")
    pathlib.Path(web, "SUMS").write_text(line.format(sha256))
    for where in (f"{URL}/SUMS", f"{WEB}/SUMS", f"file://{WEB}/SUMS"):
        assert box("add", f"{URL}/good.qcow2", "-f", "--checksum", where).returncode == 0


def test_a_redirection_is_followed(box, web):
    assert box("add", f"{URL}/bad/moved/good.qcow2", "--checksum", digest(web, "good.qcow2")).returncode == 0


def test_a_proxy_of_the_environment_but_never_for_this_machine(host, box, web):
    """The server is asked for the whole URL, and has a file of that name."""
    host.sh(f"mkdir -p {WEB}/http:/far.invalid; cp {WEB}/good.qcow2 {WEB}/http:/far.invalid/good.qcow2")
    url, checksum = "http://far.invalid/good.qcow2", digest(web, "good.qcow2")
    assert box("add", url, "--checksum", checksum, env={"http_proxy": URL}).returncode == 0
    result = box("add", url, "-f", "--checksum", checksum, env={"http_proxy": URL, "no_proxy": "far.invalid"})
    assert result.returncode == 69 and "resolve" in result.stderr
    pathlib.Path(web, "SUMS").write_text(f"{checksum.removeprefix('sha256:')}  good.qcow2\n")
    nowhere = {"http_proxy": "http://127.0.0.1:9"}
    assert box("add", f"{URL}/good.qcow2", "-f", "--checksum", f"{URL}/SUMS", env=nowhere).returncode == 0
    result = box("add", url, "-f", "--checksum", checksum, env=nowhere)
    assert result.returncode == 69 and "onnect" in result.stderr


def test_raw_when_it_is_said_to_be(host, box, web):
    host.run("truncate", "-s", "2M", f"{WEB}/plain.raw")
    result = box("add", f"{WEB}/plain.raw", "--format", "raw", "--firmware", "uefi",
                 "--checksum", digest(web, "plain.raw"))
    assert result.returncode == 0, result.stderr
    info = json.loads(box("info", "--json", "plain").stdout)
    assert info["format"] == "raw" and info["boot"] == "uefi" and info["virtual_bytes"] == 2 << 20


def test_a_description_of_ones_own(host, box, web):
    sha512 = digest(web, "good.qcow2", "sha512")
    pathlib.Path(web, "mine.yaml").write_text(
        f"summary: mine\nsource: {{url: '{URL}/good.qcow2', checksum: '{sha512}'}}\n")
    assert host.run("pooltool", "box", f"{WEB}/mine.yaml", user="dev", check=False).returncode == 66
    assert box("add", f"{WEB}/mine.yaml").returncode == 0
    assert host.run("pooltool", "box", f"{WEB}/mine.yaml", user="dev").returncode == 0
    again = box("add", f"{WEB}/mine.yaml")
    assert again.returncode == 0 and "installed already" in again.stderr


# -- who vouches for it -----------------------------------------------------------------------------


def test_nobody_vouches(host, box):
    refused(host, box("add", f"{URL}/good.qcow2"), 64, "--checksum")
    refused(host, box("add", f"{WEB}/good.qcow2"), 64, "--checksum")


@pytest.mark.parametrize("checksum", ["sha256:123", "sha512:" + "a" * 64, "sha256:" + "g" * 64])
def test_malformed_checksum(host, box, checksum):
    refused(host, box("add", f"{URL}/good.qcow2", "--checksum", checksum), 64, "digits")


def test_wrong_checksum(host, box):
    result = box("add", f"{URL}/good.qcow2", "--checksum", "sha256:" + "a" * 64)
    refused(host, result, 65, "wrong checksum")


def test_checksums_of_something_else(host, box, web):
    pathlib.Path(web, "SUMS").write_text("a" * 64 + "  other.qcow2\n")
    refused(host, box("add", f"{URL}/good.qcow2", "--checksum", f"{URL}/SUMS"), 65, "do not name good.qcow2")
    refused(host, box("add", f"{URL}/good.qcow2", "--checksum", f"{URL}/absent"), 66, "404")


def test_checksums_that_anybody_on_the_way_could_change(host, box, web):
    sha256 = digest(web, "good.qcow2").removeprefix("sha256:")
    pathlib.Path(web, "SUMS").write_text(f"{sha256}  good.qcow2\n")
    result = box("add", f"{URL}/good.qcow2", "--checksum", f"http://{LAN_HOST}:{PORT}/SUMS")
    refused(host, result, 64, "without encryption")


@pytest.fixture(scope="module")
def signer(host, web):
    """Signs as a vendor would: signer(name, clear=False); its keyring is keyring.gpg."""
    host.sh(f"""
        export GNUPGHOME=/run/gnupg; mkdir -m 700 -p $GNUPGHOME
        gpg --batch --quiet --pinentry-mode loopback --passphrase '' --quick-generate-key vendor@test ed25519 sign never
        gpg --batch --quiet --export >{WEB}/keyring.gpg
        """)

    def sign(name, clear=False):
        how = "--clear-sign" if clear else "--detach-sign"
        host.sh(f"GNUPGHOME=/run/gnupg gpg --batch --quiet --yes {how} --output {WEB}/{name}.sig {WEB}/{name}")

    return sign


def describe(web, checksums, signature, keyring=f"{WEB}/keyring.gpg"):
    pathlib.Path(web, "signed.yaml").write_text(
        f"summary: signed\nsource:\n  url: {URL}/good.qcow2\n  checksums: {URL}/{checksums}\n"
        f"  signature: {signature}\n  keyring: {keyring}\n  package: vendor-keyring\n")
    return f"{WEB}/signed.yaml"


def test_signed_checksums(host, box, web, signer):
    sums = pathlib.Path(web, "SIGNED")
    sums.write_text(digest(web, "good.qcow2").removeprefix("sha256:") + "  good.qcow2\n")
    signer("SIGNED")
    result = box("add", describe(web, "SIGNED", f"{URL}/SIGNED.sig"))
    assert result.returncode == 0 and "not checked" not in result.stderr, result.stderr


def test_checksums_signed_inside(host, box, web, signer):
    sums = pathlib.Path(web, "SIGNED")
    sums.write_text(digest(web, "good.qcow2").removeprefix("sha256:") + "  good.qcow2\n")
    signer("SIGNED", clear=True)
    assert box("add", describe(web, "SIGNED.sig", "inline")).returncode == 0
    forged = pathlib.Path(web, "SIGNED.sig").read_text().replace(" good.qcow2", " good.qcow2x")
    pathlib.Path(web, "FORGED").write_text(forged)
    box("remove", "signed")
    refused(host, box("add", describe(web, "FORGED", "inline")), 65, "not signed")


def test_what_stands_beside_the_signed_part_does_not_count(host, box, web, signer):
    pathlib.Path(web, "SIGNED").write_text("a" * 64 + "  other.qcow2\n")
    signer("SIGNED", clear=True)
    line = digest(web, "good.qcow2").removeprefix("sha256:") + "  good.qcow2\n"
    signed = pathlib.Path(web, "SIGNED.sig").read_text()
    for text in (signed + line, line + signed):
        pathlib.Path(web, "FORGED").write_text(text)
        refused(host, box("add", describe(web, "FORGED", "inline")), 65, "checksums")


def test_checksums_changed_after_signing(host, box, web, signer):
    sums = pathlib.Path(web, "SIGNED")
    sums.write_text("a" * 64 + "  good.qcow2\n")
    signer("SIGNED")
    sums.write_text(digest(web, "good.qcow2").removeprefix("sha256:") + "  good.qcow2\n")
    refused(host, box("add", describe(web, "SIGNED", f"{URL}/SIGNED.sig")), 65, "not signed")


def test_a_host_without_the_keyring_says_so(host, box, web):
    pathlib.Path(web, "SIGNED").write_text(digest(web, "good.qcow2").removeprefix("sha256:") + "  good.qcow2\n")
    result = box("add", describe(web, "SIGNED", f"{URL}/SIGNED.sig", keyring="/absent.gpg"))
    assert result.returncode == 0
    assert "warning: the signature is not checked: /absent.gpg is not installed (package vendor-keyring)" in result.stderr


# -- what the net does ------------------------------------------------------------------------------


@pytest.mark.parametrize("path, code, text", [
    ("missing.qcow2", 66, "404"),
    ("bad/short/good.qcow2", 65, "cannot fetch"),
    ("bad/cut/good.qcow2", 65, "wrong checksum"),
    ("bad/loop/good.qcow2", 69, "redirect"),
    ("bad/tofile/good.qcow2", 69, "cannot fetch"),
    ("bad/broken/good.qcow2", 69, "500"),
    ("bad/huge/good.qcow2", 65, "larger than"),
])
def test_the_net(host, box, web, path, code, text):
    result = box("add", f"{URL}/{path}", "--name", "x", "--checksum", digest(web, "good.qcow2"))
    refused(host, result, code, text)


def test_nobody_listens(host, box):
    result = box("add", "http://127.0.0.1:9/x.qcow2", "--checksum", "sha256:" + "a" * 64)
    refused(host, result, 69, "cannot fetch")


def test_other_protocols(host, box):
    for url in ("ftp://127.0.0.1/x.qcow2", "scp://127.0.0.1/x.qcow2", "dict://127.0.0.1/x", "gopher://127.0.0.1/x"):
        result = box("add", url, "--name", "x", "--checksum", "sha256:" + "a" * 64)
        refused(host, result, 64, "rotocol")


@pytest.mark.parametrize("name, code", [("absent.qcow2", 66), ("fifo", 65), ("directory", 65), ("secret.qcow2", 77)])
def test_local_files(host, box, name, code):
    host.sh(f"""
        cd {WEB}; [ -e fifo ] || mkfifo fifo; mkdir -p directory
        touch secret.qcow2; chown root: secret.qcow2; chmod 600 secret.qcow2
        """)
    refused(host, box("add", f"{WEB}/{name}", "--checksum", "sha256:" + "a" * 64), code, name)


@pytest.mark.parametrize("number", [2, 15, 9])
def test_interrupted(host, box, web, number):
    child = host.spawn("migrant", "box", "add", f"{URL}/bad/slow/good.qcow2", "--checksum", "sha256:" + "a" * 64,
                       user="dev", cwd="/home/dev", stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 10
    while not host.run("pgrep", "-x", "migrant", check=False).stdout:
        assert time.monotonic() < until
    time.sleep(0.5)
    host.run("kill", f"-{number}", *host.run("pgrep", "-x", "migrant").stdout.split())
    _, text = child.communicate(timeout=20)
    assert child.returncode != 0
    assert number == 9 or "error: interrupted" in text
    assert volumes(host) == []


# -- hostile images ---------------------------------------------------------------------------------


ENCRYPT = ("qemu-img create -q -f qcow2 --object secret,id=s,data=x "
           "-o encrypt.format=aes,encrypt.key-secret=s {out} 1M")
HOSTILE = {
    # a FIFO: whoever opens it waits for ever, so that a look at it would be seen
    "backing": ("qemu-img create -q -u -f qcow2 -b {web}/trap -F raw {out} 1G", "backing file"),
    "backing-json": ("qemu-img create -q -u -f qcow2 -b 'json:{{\"driver\":\"raw\",\"file\":"
                     "{{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}}}}' -F raw {out} 1G", "backing file"),
    "data-file": ("qemu-img create -q -f qcow2 -o data_file={web}/data.raw {out} 1G; "
                  "rm {web}/data.raw; mkfifo {web}/data.raw", "data file"),
    "60-tib": ("qemu-img create -q -f qcow2 -o cluster_size=2M {out} 60T", "61440 GiB"),
    # LUKS by its header: where the processor's clock is coarse, qemu-img cannot find out how often to derive the key
    "encrypted": (ENCRYPT, "encrypted"),
    "encrypted-luks": (ENCRYPT + "; printf '\\002' | dd of={out} bs=1 seek=35 conv=notrunc status=none", "encrypted"),
    "snapshots": ("qemu-img create -q -f qcow2 {out} 1M; qemu-img snapshot -c a {out}", "snapshots"),
    "vmdk": ("qemu-img create -q -f vmdk {out} 1G", "vmdk"),
    "vdi": ("qemu-img create -q -f vdi {out} 1G", "vdi"),
    "vhdx": ("qemu-img create -q -f vhdx {out} 1G", "vhdx"),
    "raw": ("head -c 1048576 /dev/urandom >{out}", "not qcow2"),
    "empty": (": >{out}", "not qcow2"),
    "text": ("printf '# Disk DescriptorFile\\nRW 1 FLAT \"/etc/passwd\" 0\\n' >{out}", "vmdk"),
    "compressed": ("qemu-img create -q -f qcow2 {out}.x 1G; gzip -c {out}.x >{out}; rm {out}.x", "gzip"),
    "cut": ("qemu-img create -q -f qcow2 {out} 1G; truncate -s 131072 {out}", "truncated"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_image(host, box, web, kind):
    command, text = HOSTILE[kind]
    out = f"{WEB}/hostile.qcow2"
    host.sh(f"rm -f {out} {WEB}/trap {WEB}/data.raw; mkfifo {WEB}/trap; " + command.format(web=WEB, out=out))
    host.run("chmod", "644", out)
    result = box("add", out, "--checksum", digest(web, "hostile.qcow2"), timeout=30)
    refused(host, result, 65, text)


def test_qcow2_pretending_to_be_raw(host, box, web):
    result = box("add", f"{WEB}/good.qcow2", "--format", "raw", "--checksum", digest(web, "good.qcow2"))
    refused(host, result, 65, "not raw")


# -- names, replacing, removing ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["..", "../x", "-x", "A", "a b", "x" * 64, "a\nb", "a/b", ""])
def test_names(host, box, web, name):
    result = box("add", f"{WEB}/good.qcow2", f"--name={name}", "--checksum", digest(web, "good.qcow2"))
    refused(host, result, 64, "name of a box")


def test_unknown(host, box):
    result = box("add", "debian-31")
    refused(host, result, 66, "debian-13")
    refused(host, box("add", "debian-12"), 64, "migrant box build debian-12")
    refused(host, box("build", "debian-13"), 64, "migrant box add debian-13")
    assert box("remove", "debian-31").returncode == 0


def add(box, web, name, *options):
    return box("add", f"{WEB}/good.qcow2", "--name", name, "--checksum", digest(web, "good.qcow2"), *options)


def test_a_name_that_is_taken(host, box, web):
    assert add(box, web, "a").returncode == 0
    result = add(box, web, "a")
    assert result.returncode == 73 and "installed already" in result.stderr
    assert add(box, web, "a", "-f").returncode == 0


def test_boxes_share_an_image(host, box, web):
    assert add(box, web, "a").returncode == 0 and add(box, web, "b").returncode == 0
    assert len(volumes(host)) == 3
    assert box("remove", "a").returncode == 0
    assert host.run("pooltool", "box", "b").returncode == 0
    assert box("remove", "b").returncode == 0
    assert volumes(host) == []


def test_two_at_once(host, box, web):
    children = [host.spawn("migrant", "box", "add", f"{URL}/good.qcow2", "--name", name, "--checksum",
                           digest(web, "good.qcow2"), user=user, cwd=f"/home/{user}")
                for name, user in (("a", "dev"), ("b", "other"), ("c", "dev"))]
    assert [child.wait(timeout=60) for child in children] == [0, 0, 0]
    assert len(volumes(host)) == 4
    for name in "abc":
        host.run("pooltool", "box", name)


def test_what_a_dead_upload_left_is_replaced(host, box, web):
    sha256 = digest(web, "good.qcow2").removeprefix("sha256:")
    host.run("pooltool", "store", f"base-{sha256}.qcow2", "/etc/hostname")
    assert add(box, web, "a").returncode == 0
    host.run("cmp", f"{WEB}/good.qcow2", f"{POOL}/base-{sha256}.qcow2")


@pytest.mark.parametrize("damage", ["chmod 0644 {0}", "chown nobody {0}", "truncate -s 1 {0}", "rm -f {0}"])
def test_a_changed_base_is_no_box(host, box, web, damage):
    assert add(box, web, "a").returncode == 0
    sha256 = digest(web, "good.qcow2").removeprefix("sha256:")
    host.sh(damage.format(f"{POOL}/base-{sha256}.qcow2"))
    result = host.run("pooltool", "box", "a", check=False)
    assert result.returncode == 65 and "damaged" in result.stderr, result.stderr
    host.sh(f"rm -f {POOL}/base-*")


def test_a_half_written_manifest_is_no_box(host, box):
    host.sh(f"printf '{{\"version\": 1, ' >{POOL}/box-half.json")
    assert "half" not in box("list").stdout
    assert host.run("pooltool", "box", "half", check=False).returncode == 65
    host.run("rm", f"{POOL}/box-half.json")


def domain(path):
    return f"<domain type='qemu'><name>migrant-user</name><memory>1024</memory><os><type>hvm</type></os>" \
           f"<devices><disk type='file'><source file='{path}'/><target dev='vda'/></disk></devices></domain>"


def test_a_box_in_use_stays(host, box, web):
    assert add(box, web, "a").returncode == 0
    sha256 = digest(web, "good.qcow2").removeprefix("sha256:")
    host.run("virsh", "-q", "define", "/dev/stdin", input=domain(f"{POOL}/base-{sha256}.qcow2"))
    result = box("remove", "a")
    assert result.returncode == 1 and "in use by user" in result.stderr
    assert box("prune", "-f").returncode == 0
    assert json.loads(box("info", "--json", "a").stdout)["users"] == ["user"]
    host.run("virsh", "-q", "undefine", "migrant-user")
    assert box("remove", "a").returncode == 0


def test_an_overlay_without_a_domain_keeps_its_base(host, box, web):
    assert add(box, web, "a").returncode == 0
    sha256 = digest(web, "good.qcow2").removeprefix("sha256:")
    host.run("pooltool", "overlay", "disk-1.qcow2", f"base-{sha256}.qcow2", "qcow2", "2G")
    result = box("remove", "a")
    assert result.returncode == 1 and "disk-1.qcow2" in result.stderr
    assert box("prune", "-f").returncode == 0
    assert len(volumes(host)) == 3


def test_prune_takes_what_nobody_needs(host, box, web):
    host.run("pooltool", "store", "base-" + "a" * 64 + ".qcow2", "/etc/hostname")
    host.run("pooltool", "store", "kernel-" + "b" * 64, "/etc/hostname")
    assert add(box, web, "a").returncode == 0
    result = box("prune")
    assert result.returncode == 64 and "-f" in result.stderr
    result = box("prune", "--dry-run")
    assert result.returncode == 0 and "volume kernel-" + "b" * 64 in result.stderr and "nothing was removed" in result.stderr
    assert len(volumes(host)) == 4
    assert box("prune", "-f").returncode == 0
    assert volumes(host) == []


def test_full_disk(host, box, web):
    host.sh(f"head -c 70M /dev/zero >{WEB}/big.raw; chmod 644 {WEB}/big.raw")
    result = box("add", f"{WEB}/big.raw", "--format", "raw", "--checksum", digest(web, "big.raw"))
    refused(host, result, 74, "No space left on device")


def test_list(host, box, web):
    assert add(box, web, "mine").returncode == 0
    rows = {row["name"]: row for row in json.loads(box("list", "--json").stdout)}
    assert rows["mine"]["installed"] and rows["mine"]["stored_bytes"] > 0
    assert not rows["debian-12"]["installed"]
    text = box("list").stdout
    assert all(name in text for name in rows)


def test_a_description_cannot_drive_the_terminal(host, box, web):
    assert add(box, web, "mine").returncode == 0
    text = host.run("cat", f"{POOL}/box-mine.json").stdout.rstrip()
    evil = json.dumps(json.loads(text) | {"source": "\u001b]52;c;eA==\u0007"})
    host.run("tee", f"{POOL}/box-mine.json", input=evil)
    for command in (["list"], ["info", "mine"], ["info", "--json", "mine"]):
        output = box(*command).stdout
        assert "\x1b" not in output and "\x07" not in output
