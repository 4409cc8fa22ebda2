"""The command line under wrong input: one clear error, the right status, nothing changed.

No privilege and no libvirt are needed. Every test looks at what a user sees: status, stdout, stderr.
"""

import json
import os
import pty
import re
import signal
import subprocess

import pytest

import schema

USAGE, BAD_DATA, NO_INPUT, CANNOT_CREATE, IO_ERROR, NO_PERMISSION, CONFIG = 64, 65, 66, 73, 74, 77, 78
ESCAPE = "\x1b"
LIMIT = 600  # seconds


class Outcome:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    def __repr__(self):
        return f"status {self.status}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@pytest.fixture
def migrant(build, tmp_path):
    """Runs migrant in an empty directory of its own, with an environment of its own."""

    def run(*arguments, cwd=tmp_path, stdout=subprocess.PIPE, within=(), **environment):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "TERM": "xterm", **environment}
        return Outcome(subprocess.run([*within, build / "migrant", *arguments], cwd=cwd, env=env, text=True, timeout=LIMIT,
                                      stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE))

    return run


@pytest.fixture
def validate(migrant, tmp_path):
    """Validates a Migrantfile with this content."""

    def run(text, *arguments, **environment):
        path = tmp_path / "Migrantfile"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o644)
        return migrant("validate", *arguments, **environment)

    return run


def fails(outcome, status, message):
    """One error, as the last thing said, and nothing on stdout."""
    assert outcome.status == status, outcome
    assert outcome.out == "", outcome
    assert re.search(message, outcome.err), outcome
    assert len(re.findall(r"(?m)^(\S+: )?error: ", outcome.err)) == 1, outcome
    assert ESCAPE not in outcome.err, outcome


def command_names(migrant):
    """All commands, and those below them, as the help shows them."""
    def names(text):
        return re.findall(r"(?m)^  ([a-z][a-z-]*) {2,}\S", text)

    found = []
    for name in names(migrant("--help").out):
        text = migrant(name, "--help").out
        below = names(text) if f"migrant {name} COMMAND" in text else []
        found += [(name, *rest) for rest in ([(b,) for b in below] or [()])]
    return found


# --- the command line itself


@pytest.mark.parametrize("arguments, message, hint", [
    ([], "no command given", "migrant --help lists the commands"),
    (["vlaidate"], "unknown command 'vlaidate'", "did you mean 'migrant validate'?"),
    (["frobnicate"], "unknown command 'frobnicate'", "migrant --help lists the commands"),
    (["bogus"], "unknown command 'bogus'", "migrant --help lists the commands"),
    (["policy", "check"], "unknown command 'policy check'", "migrant policy --help lists its commands"),
    (["box", "lst"], "unknown command 'box lst'", "did you mean 'migrant box list'?"),
    (["snapshot"], "'migrant snapshot' needs a command", "migrant snapshot --help lists its commands"),
    (["box", "add"], "'migrant box add' needs NAME|FILE|URL", "migrant box add --help shows the options"),
    (["snapshot", "restore", "a", "b"], "'migrant snapshot restore' does not take 'b'", "migrant snapshot restore --help"),
    (["snapshot", "list", "--bogus"], "unknown option '--bogus'", "migrant snapshot list --help shows the options"),
    (["--frobnicate"], "unknown option '--frobnicate'", "migrant --help lists the commands"),
    (["validate", "--json"], "unknown option '--json'", "migrant validate --help shows the options"),
    (["ssh", "--forward-agnet"], "unknown option '--forward-agnet'", "did you mean '--forward-agent'?"),
    (["up", "--no-provisoin"], "unknown option '--no-provisoin'", "migrant up --help shows the options"),
    (["status", "--directry=x"], "unknown option '--directry'", "did you mean '--directory'?"),
    (["validate", "-x"], "unknown option '-x'", "migrant validate --help shows the options"),
    (["validate", "extra"], "'migrant validate' does not take 'extra'", "migrant validate --help"),
    (["validate", "-C"], "-C needs a value", "migrant validate --help shows the options"),
    (["init", "--template"], "--template needs a value", "migrant init --help shows the options"),
    (["init", "--force=yes"], "--force takes no value", "migrant init --help shows the options"),
    (["init", "--template", "nope"], "no template 'nope'", "migrant init --help lists them"),
    (["completion"], "'migrant completion' needs bash|zsh|fish", "migrant completion --help"),
    (["completion", "tcsh"], "no completion for 'tcsh'", "there is one for bash, zsh and fish"),
    (["logs", "--network", "--cloud-init"], "--network, --provision and --cloud-init exclude each other", ""),
    (["logs", "--provision", "--cloud-init"], "--network, --provision and --cloud-init exclude each other", ""),
    (["logs", "--provision", "--json"], "--json is for --network", ""),
    (["logs", "--provision", "--since", "2026-13-01"], "--since takes a duration or a time, not '2026-13-01'", "--since 30m"),
    (["logs", "--provision", "--since", "2026-11-22T1"], "--since takes a duration or a time", "--since 30m"),
    (["logs", "--provision", "--since", "2026-11-22T24:00"], "--since takes a duration or a time", "--since 30m"),
    (["logs", "--since", "1h"], "--since is for --network and --provision", "'migrant logs | tail' shows"),
    (["logs", "--cloud-init", "-f"], "--cloud-init cannot be followed", ""),
    (["ssh", "--forward-agent"], "there is no agent to forward (SSH_AUTH_SOCK)", ""),
    (["ssh", "--forward-x11"], "there is no display to forward (DISPLAY)", ""),
    (["ssh", "-c", ""], "-c needs a command", "without -c it is a shell"),
    (["status", "-C", ""], "-C needs a directory", "migrant status --help shows the options"),
    ([""], "unknown command ''", "migrant --help lists the commands"),
    (["tunnel", "3000", "3000:80"], "port 3000 of the host is named twice", ""),
    (["port", "80", "--json"], "--json lists all ports: it takes none", ""),
    (["tunnel", "x:3000"], "'x:3000' is no port", "migrant tunnel 3000"),
    (["tunnel", "agent", "x"], "'x' is no port", "migrant tunnel 3000"),
    (["port", "0"], "'0' is no port", ""),
    (["port", "agent", "x"], "'x' is no port", ""),
    (["port", "80", "443"], "'migrant port' does not take '443'", ""),
    (["port", "agent", "80", "443"], "'migrant port' does not take '443'", ""),
    (["policy", "show", "X"], "'X' cannot be the name of a sandbox", "'migrant global-status' lists yours"),
    (["ssh-config", "--host", "a b"], "'a b' cannot be the name of a host", ""),
    (["logs", "--network", "X"], "'X' cannot be the name of a sandbox", "'migrant global-status' lists yours"),
    (["reset", "-s", "X"], "'X' cannot be the name of a sandbox", "'migrant global-status' lists yours"),
    (["snapshot", "save", "--sandbox", "-x"], "'-x' cannot be the name of a sandbox", "'migrant global-status' lists yours"),
    (["fork", "a", "-n", "65"], "at most 64 forks at once", ""),
    (["exec"], "'migrant exec' needs [NAME] -- CMD", "migrant exec --help shows the options"),
    (["exec", "-t", "-T", "--", "true"], "-t and -T exclude each other", ""),
    (["exec", "-e", "1=2", "--", "true"], "'1=2' is no variable", "-e NAME=value"),
    (["exec", "-e", "NOT_SET", "--", "true"], "-e NOT_SET: it is not set here", ""),
    (["exec", "X", "--", "true"], "'X' cannot be the name of a sandbox", "'migrant global-status' lists yours"),
    (["exec", "agent", "--"], "'' cannot be a command", "migrant exec --help shows the options"),
    (["exec", "-w", "", "--", "true"], "-w needs a directory of the guest", ""),
    (["exec", "--", "-x"], "'-x' cannot be a command", "migrant exec --help shows the options"),
    (["cp", "a", "b"], "one of the two is in the guest and begins with ':' or 'NAME:'", "migrant cp :notes.txt ."),
    (["cp", ":a", "agent:b"], "one of the two is in the guest and begins with ':' or 'NAME:'", "migrant cp :notes.txt ."),
    (["cp", "./agent:a", "X:b"], "one of the two is in the guest and begins with ':' or 'NAME:'", "migrant cp :notes.txt ."),
    (["storage", "--dry-run"], "--dry-run goes with --prune", ""),
    (["storage", "-f"], "--force goes with --prune and --delete", ""),
    (["storage", "--json", "--prune"], "--json, --prune, --verify, --adopt and --delete exclude each other",
     "migrant storage --help"),
    (["cp", ":a"], "'migrant cp' needs SRC DST", "migrant cp --help"),
    (["cp", "--max-size", "big", ":a", "b"], "'big' is no size", "--max-size 20G, say"),
    (["storage", "--adopt", "../x"], "'../x' is no image's ID", "'migrant storage' lists them"),
    (["storage", "--delete", "demo"], "'demo' is no image's ID", "'migrant storage' lists them"),
    (["validate", f"--{ESCAPE}[2J"], r"unknown option '--\x1b[2J'", "migrant validate --help"),
])
def test_wrong_usage(migrant, tmp_path, arguments, message, hint):
    outcome = migrant(*arguments)
    fails(outcome, USAGE, re.escape(message))
    assert not hint or f"hint: {hint}" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_help_goes_to_stdout(migrant):
    for arguments in (["--help"], ["-h"], ["validate", "--help"], ["-C", "/nowhere", "init", "-h"]):
        outcome = migrant(*arguments)
        assert (outcome.status, outcome.err) == (0, ""), outcome
        assert outcome.out.startswith("usage: migrant"), outcome


def test_help_is_a_command_as_well(migrant):
    for words in ([], ["up"], ["snapshot"], ["box", "add"]):
        outcome = migrant("help", *words)
        assert (outcome.status, outcome.err) == (0, ""), outcome
        assert outcome.out == migrant(*words, "--help").out
    fails(migrant("help", "vlaidate"), USAGE, "did you mean 'migrant validate'?")


def test_every_command_explains_itself(migrant, tmp_path):
    names = command_names(migrant)
    assert ("validate",) in names and ("init",) in names
    for name in names:
        outcome = migrant(*name, "--help")
        assert (outcome.status, outcome.err) == (0, ""), outcome
        assert outcome.out.startswith(f"usage: migrant {' '.join(name)}"), outcome
        fails(migrant(*name, "--no-such-option"), USAGE, "unknown option '--no-such-option'")
    assert list(tmp_path.iterdir()) == []


# --- where the Migrantfile is


def test_no_migrantfile_says_where_it_looked(migrant, tmp_path):
    fails(migrant("validate"), NO_INPUT, rf"no Migrantfile in {tmp_path} or a directory above it")
    fails(migrant("validate", "-C", str(tmp_path)), NO_INPUT, rf"no Migrantfile in {tmp_path}\n")
    fails(migrant("validate", MIGRANT_DIR=str(tmp_path)), NO_INPUT, rf"no Migrantfile in {tmp_path}\n")
    fails(migrant("-C", "/no/such/dir", "validate"), NO_INPUT, "/no/such/dir: No such file or directory")


def test_a_directory_that_has_gone(build, tmp_path):
    done = subprocess.run(["/bin/sh", "-c", 'mkdir gone && cd gone && rmdir ../gone && exec "$0" status', build / "migrant"],
                          cwd=tmp_path, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (NO_INPUT, "error: the current directory: No such file or directory\n")


def test_a_migrantfile_is_found_from_below_and_by_name(migrant, tmp_path):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "Migrantfile").write_text("")
    (other / "Migrantfile").write_text("cpus: none\n")
    assert migrant("validate").out == "Migrantfile: valid\n"
    assert migrant("validate", cwd=below).out == f"{tmp_path}/Migrantfile: valid\n"
    fails(migrant("validate", "-C", "other"), CONFIG, "^other/Migrantfile:1:7: error: ")
    fails(migrant("validate", MIGRANT_DIR="other"), CONFIG, "^other/Migrantfile:1:7: error: ")
    assert migrant("validate", "-C", ".", MIGRANT_DIR="other").status == 0


def test_a_migrantfile_that_others_can_write_is_not_obeyed(migrant, tmp_path):
    path = tmp_path / "Migrantfile"
    path.write_text("")
    path.chmod(0o666)
    fails(migrant("validate"), NO_PERMISSION, "Migrantfile can be changed by every user")


# --- what is in it


@pytest.mark.parametrize("text, place, message", [
    ('name: "x\n', "1:7", "this quote is never closed"),
    ("network: {isolate: true\n", "1:10", "this bracket is never closed"),
    ("tunnel:\n  - 1\n - 2\n", "3:2", "expected"),
    ("name: &a x\n", "1:7", "anchors are not supported"),
    ("name: *a\n", "1:7", "aliases are not supported"),
    ("name: !!str x\n", "1:7", "tags are not supported"),
    ("---\n---\n", "2:1", "a second document"),
    ("name: a\nname: b\n", "2:1", "duplicate key 'name', first given in line 1"),
    ("cups: 2\n", "1:1", "unknown key 'cups'"),
    ("cpus: [2]\n", "1:7", "'cpus' takes a text, not a list"),
    ("cpus: 1e9\n", "1:7", "'cpus' takes a number from 1 to 256, not '1e9'"),
    ("nested: no\n", "1:9", "'nested' takes true or false, not 'no'"),
    (b"name: a\0b\n", "1:8", r"character U\+0000 is not allowed"),
    (b"name: \xff\n", "1:7", "not UTF-8: byte 0xff"),
    ("name: $(id)\n", "1:7", r"not '\$\(id\)'"),
    ("name: ]]>\n", "1:7", "a value is missing here"),
    ("name: " + "a" * 300 + "\n", "1:7", "'name' is 300 bytes long"),
    ("name: \u0441laude\n", "1:7", "not '\u0441laude'"),
    ("\tcpus: 2\n", "1:1", "a tab"),
])
def test_a_wrong_migrantfile_is_shown_with_its_place(validate, text, place, message):
    fails(validate(text), CONFIG, rf"(?m)^Migrantfile:{place}: error: .*({message})")


def test_a_share_that_leads_elsewhere_is_refused(validate, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    fails(validate("shares:\n  - {host: link, guest: /x}\n"), CONFIG,
          "^Migrantfile:2:12: error: 'link' is a symbolic link\n")
    (tmp_path / "real/sub").mkdir()
    (tmp_path / "real/sub/Migrantfile").write_text("")
    fails(validate("shares:\n  - {host: real, guest: /x}\n"), CONFIG,
          "^Migrantfile:2:12: error: the share 'real' would hold another project\n")


def test_a_migrantfile_that_a_guest_planted_is_not_obeyed(validate, migrant, tmp_path):
    (tmp_path / "work/deep").mkdir(parents=True)
    assert validate("shares: [{host: work, guest: /x}]\n").status == 0
    (tmp_path / "work/Migrantfile").write_text(f"name: evil{ESCAPE}[2J\n")
    outcome = migrant("plan", cwd=tmp_path / "work/deep")
    fails(outcome, NO_PERMISSION, "lies in the share 'work' of")


def test_the_line_and_a_caret_are_shown(validate):
    outcome = validate("name: ok\nmemory: 2g # caf\u00e9\n")
    assert outcome.err == (
        "Migrantfile:2:9: error: 'memory' takes a size from 64M to 16T, not '2g'\n"
        "    memory: 2g # caf\u00e9\n"
        "            ^\n"
        "hint: a whole number with K, M, G or T (powers of 1024)\n"), outcome


def test_no_byte_of_the_file_reaches_the_terminal(validate):
    for text in ('name: "\x1b]52;c;eA==\x07"\n', "\u202e: 1\n", '"\\e[2J": 1\n', "\x9b31m: 2\n"):
        outcome = validate(text)
        assert outcome.status == CONFIG
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", outcome.err), outcome


def test_a_file_that_is_named_and_missing_has_a_place(validate):
    fails(validate("provision:\n  - ansible: site.yml\n"), NO_INPUT,
          "^Migrantfile:2:14: error: site.yml: No such file or directory")
    fails(validate("kernel: {image: bzImage}\n"), NO_INPUT, "^Migrantfile:1:17: error: bzImage: No such")


def test_bombs_are_refused_at_once(validate, migrant, tmp_path):
    alias_bomb = "a: &a [x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [" + f"*{chr(97 + i)}," * 9 + "]\n"
                                         for i in range(9))
    fails(validate(alias_bomb), CONFIG, "anchors are not supported")
    fails(validate("x: " + "[" * 100000), CONFIG, "nested deeper than 16 levels")
    fails(validate("x: [" + "1," * 100000), CONFIG, "more than 8192 values")
    with open(tmp_path / "Migrantfile", "wb") as file:
        file.truncate(1 << 30)
    fails(migrant("validate"), CONFIG, "larger than 256 KiB")


def test_what_is_not_built_is_valid(validate):
    outcome = validate("network: {egress: list, domains: [a.b]}\nttl: 8h\n")
    assert (outcome.status, outcome.out, outcome.err) == (0, "Migrantfile: valid\n", ""), outcome


# --- the commands of a project; they look at the Migrantfile before they look for libvirt

PROJECT = ["validate", "plan", "up", "halt", "destroy -f", "status", "status --json", "ssh -c true", "exec -- true", "ip",
           "logs", "port", "tunnel 3000", "ssh-config", "provision", "cp :a b", "reload", "reload --policy", "resize",
           "policy show", "policy show --rules --json", "panic", "mount", "unmount", "wg", "suspend", "resume"]


@pytest.fixture(params=PROJECT)
def project_command(request, migrant):
    arguments = request.param.split()
    if arguments[0] not in {words[0] for words in command_names(migrant)}:
        pytest.skip(f"there is no command {arguments[0]} in this version")
    return arguments


def test_every_project_command_wants_a_migrantfile(migrant, project_command):
    fails(migrant(*project_command), NO_INPUT, "no Migrantfile in")


def test_every_project_command_shows_a_mistake_alike(migrant, tmp_path, project_command):
    (tmp_path / "Migrantfile").write_text("cpus: two\n")
    outcome = migrant(*project_command)
    fails(outcome, CONFIG, "^Migrantfile:1:7: error: 'cpus' takes a number from 1 to 256, not 'two'\n")
    assert "    cpus: two\n          ^\n" in outcome.err


@pytest.mark.parametrize("text, message", [
    ("network: {egress: list, domains: [a.b]}\n", "^Migrantfile:1:19: error: 'network.egress: list' is not built"),
])
def test_up_refuses_what_is_not_built(migrant, tmp_path, text, message):
    if ("up",) not in command_names(migrant):
        pytest.skip("there is no command up in this version")
    (tmp_path / "Migrantfile").write_text(text)
    fails(migrant("up"), CONFIG, message)


@pytest.mark.parametrize("text, message", [
    ("network: {egress: list, domains: [a.b]}\n", "^Migrantfile:1:19: error: 'network.egress: list' is not built"),
    ("network: {allow: [lan 127.0.0.1]}\n", "^Migrantfile:1:23: error: 127.0.0.1 is the host's own loopback"),
    ("wireguard: none\nnetwork: {allow: ['forward tcp/9 to 10.0.0.1:9 via tunnel']}\n",
     "^Migrantfile:2:19: error: 'via tunnel', but there is no tunnel"),
])
def test_reload_refuses_what_up_refuses(migrant, tmp_path, text, message):
    (tmp_path / "Migrantfile").write_text(text)
    fails(migrant("reload", "--policy"), CONFIG, message)
    if "loopback" not in message:  # that is looked for when libvirt has said what there is
        fails(migrant("reload"), CONFIG, message)


def test_policy_alone_is_no_start(migrant, tmp_path):
    (tmp_path / "Migrantfile").write_text("")
    for option in ("-f", "--provision", "--timeout=5"):
        fails(migrant("reload", "--policy", option), USAGE, "it goes with no other option")
    fails(migrant("reload", "--policies"), USAGE, "policies")
    fails(migrant("reload", "--policy", "Now"), USAGE, "'Now' cannot be the name of a sandbox")
    fails(migrant("policy"), USAGE, "policy")
    fails(migrant("policy", "hide"), USAGE, "hide")


# --- wireguard.conf

PRIVATE, PUBLIC = "SHvC6pPtCFs4ShMXFkU7OJnd9x6FQYxSEpkEW1zmPU8=", "PEkWyrtX3mSQe0YVzGkGmOZDPA0TyUQPZoxjvE7JFnM="
TUNNEL = f"""[Interface]
PrivateKey = {PRIVATE}
Address = 10.8.0.2/32
DNS = 10.8.0.1
[Peer]
PublicKey = {PUBLIC}
AllowedIPs = 0.0.0.0/0
Endpoint = 192.0.2.1:51820
"""


def write_tunnel(tmp_path, text=TUNNEL, migrantfile="", name="wireguard.conf", mode=0o600):
    (tmp_path / "Migrantfile").write_text(migrantfile)
    (tmp_path / name).write_text(text)
    (tmp_path / name).chmod(mode)


def test_a_tunnel_is_valid(migrant, tmp_path):
    write_tunnel(tmp_path)
    assert migrant("validate").status == 0
    write_tunnel(tmp_path, migrantfile="wireguard: vpn.conf\n", name="vpn.conf")
    (tmp_path / "wireguard.conf").write_text("not looked at")
    assert migrant("validate").status == 0


@pytest.mark.parametrize("old, new, message", [
    ("DNS", "PostUp = iptables -F\nDNS", "^wireguard.conf:4: error: PostUp: commands for the host are never executed"),
    ("PrivateKey", "PrivatKey", "^wireguard.conf:2: error: this key is not one of wg-quick's\nhint: did you mean PrivateKey"),
    ("PrivateKey = ", "PrivateKey = x", "^wireguard.conf:2: error: PrivateKey: a key is 44 characters"),
    ("PrivateKey = ", "", "^wireguard.conf:2: error: this key is not one of"),
    ("Address = 10.8.0.2/32", "Address = " + PRIVATE, "^wireguard.conf:3: error: Address: "),
    ("DNS = 10.8.0.1", "", "^wireguard.conf: error: there is no DNS"),
    ("0.0.0.0/0", "10.9.0.0/16", "^wireguard.conf: error: the tunnel leads to none of its resolvers"),
    ("192.0.2.1:51820", "192.0.2.1", "^wireguard.conf:8: error: Endpoint: the endpoint's port"),
])
def test_a_wrong_tunnel_is_shown_by_its_line_and_no_more(migrant, tmp_path, old, new, message):
    write_tunnel(tmp_path, TUNNEL.replace(old, new))
    outcome = migrant("validate")
    fails(outcome, BAD_DATA, message)
    assert all(PRIVATE[i:i + 8] not in outcome.err for i in range(len(PRIVATE) - 8))


@pytest.mark.parametrize("migrantfile, message", [
    ("network: {dns: ['2620:fe::9']}\n", "^Migrantfile:1:16: error: the tunnel does not lead to the resolver 2620:fe::9"),
    ("network: {allow: ['lan fd00::1']}\n", "^Migrantfile:1:19: error: an IPv6 address, but the guest has no IPv6: the tunnel"),
    ("network: {allow: [lan 10.0.0.1, 'forward tcp/9 to 10.0.0.1:9 via tunnel']}\n",
     "^Migrantfile:1:33: error: leads to the same address by another way"),
])
def test_what_the_tunnel_cannot_do_is_refused(migrant, tmp_path, migrantfile, message):
    write_tunnel(tmp_path, migrantfile=migrantfile)
    fails(migrant("validate"), CONFIG, message)


def test_whose_the_tunnels_file_is(migrant, tmp_path):
    write_tunnel(tmp_path, mode=0o622)
    fails(migrant("validate"), NO_PERMISSION, "wireguard.conf can be changed by every user")
    (tmp_path / "wireguard.conf").unlink()
    (tmp_path / "wireguard.conf").symlink_to("nowhere")
    fails(migrant("validate"), NO_INPUT, "wireguard.conf: No such file")
    write_tunnel(tmp_path, migrantfile="wireguard: elsewhere.conf\n", name="other.conf")
    fails(migrant("validate"), NO_INPUT, "^Migrantfile:1:12: error: elsewhere.conf: No such file")


# --- what was kept of provisioning


def test_what_up_has_said_is_shown_again(migrant, tmp_path):
    (tmp_path / "Migrantfile").write_text("name: kept\n")
    fails(migrant("logs", "--provision"), 1, "there is no log of provisioning kept")
    state = tmp_path / ".local/state/migrant"
    state.mkdir(parents=True)
    (state / "provision-kept.log.1").write_text("2026-01-01T10:00:00Z ==> kept: up\n2026-01-01T10:00:01Z tools | a\\x1b[2Jb\n")
    (state / "provision-kept.log").write_text(f"2026-01-02T10:00:00Z evil{ESCAPE}[2J\u202e\nno end")
    first = "2026-01-01T10:00:00Z ==> kept: up\n2026-01-01T10:00:01Z tools | a\\x1b[2Jb\n"
    second = "2026-01-02T10:00:00Z evil\\x1b[2J\\xe2\\x80\\xae\n"
    assert migrant("logs", "--provision").out == first + second
    assert migrant("logs", "--provision", "--since", "2026-01-01T10:00:01").out == first.split("\n", 1)[1] + second
    assert migrant("logs", "--provision", "--since", "2026-01-02").out == second
    assert migrant("logs", "--provision", "--since", "1h").out == ""
    fails(migrant("logs", "--provision", "--since", "then"), USAGE, "--since takes a duration or a time, not 'then'")


# --- init


def test_init_overwrites_nothing(migrant, tmp_path):
    path = tmp_path / "Migrantfile"
    outcome = migrant("init")
    assert (outcome.status, outcome.out) == (0, ""), outcome
    assert "migrant up" in outcome.err and "debian-12" in path.read_text()
    assert migrant("validate").status == 0
    path.write_text("cpus: 3\n")
    fails(migrant("init"), CANNOT_CREATE, "Migrantfile is there already")
    assert path.read_text() == "cpus: 3\n"
    assert migrant("init", "-f", "--template", "claude-code").status == 0
    assert "agent" in path.read_text() and "claude" in (tmp_path / "playbook.yml").read_text()
    assert migrant("validate").status == 0
    fails(migrant("init", "--template", "nested"), CANNOT_CREATE, "Migrantfile is there already")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    fails(migrant("init"), CANNOT_CREATE, "Migrantfile is there already")
    assert not (tmp_path / "elsewhere").exists()


def test_every_template_in_the_help_is_one(migrant, tmp_path):
    names = re.findall(r"(?m)^  ([a-z-]+)   ", migrant("init", "--help").out)
    assert {"debian", "claude-code", "nested"} <= set(names)
    for name in names:
        project = tmp_path / name
        project.mkdir()
        assert migrant("init", "--template", name, cwd=project).status == 0
        assert migrant("validate", cwd=project).status == 0


def test_init_names_what_it_cannot_write(migrant, tmp_path):
    fails(migrant("-C", str(tmp_path / "nowhere"), "init"), NO_INPUT, "nowhere: No such file or directory")


# --- what is printed of what somebody else may have named


UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u200b-\u200f\ufffd]")
OPERANDS = {"cp": [":a", "b"], "exec": ["--", "true"], "completion": ["bash"], "port": ["80"], "tunnel": ["3000"]}
# No daemon of this machine's answers, so that nothing is done to it.
NO_DAEMON = ["unshare", "-m" if os.geteuid() == 0 else "-rm", "sh", "-ec", 'mount -t tmpfs none /run; exec "$0" "$@"']


def test_no_command_prints_a_name_as_it_is(migrant, tmp_path):
    """Every command but setup, in a project whose directory is called what a guest would call a file."""
    directory = tmp_path / "evil\x1b]52;c;eA==\x07\x9b31m\u202e\u200b"
    directory.mkdir()
    for text in ("name: fine\n", "name: fine\nprovision: [{ansible: nowhere.yml}]\n", "cpus: two\n"):
        (directory / "Migrantfile").write_text(text)
        for name, *below in (n for n in command_names(migrant) if n != ("setup",)):
            for more in ([], ["--json"]):
                outcome = migrant("-C", str(directory), name, *below, *OPERANDS.get(name, []), *more, within=NO_DAEMON)
                assert not UNSAFE.search(outcome.out + outcome.err), (name, below, outcome)


def test_every_help_shows_an_example(migrant):
    for name in command_names(migrant):
        text = migrant(*name, "--help").out.split("options:")[0]
        assert re.search(rf"(?m)^  .*migrant (-C \S+ )?{' '.join(name)}\b", text), name


# --- streams


def test_output_that_is_lost_is_an_error(migrant):
    with open("/dev/full", "w") as full:
        for arguments in (["version"], ["--help"], ["completion", "bash"], ["completion", "zsh"]):
            outcome = migrant(*arguments, stdout=full)
            assert outcome.status == IO_ERROR, outcome
            assert "error: cannot write the output" in outcome.err, outcome


def test_a_closed_stdout_is_an_error(build, tmp_path):
    done = subprocess.run(["/bin/sh", "-c", 'exec "$0" version >&-', build / "migrant"], cwd=tmp_path,
                          stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    assert done.returncode == IO_ERROR, done
    assert "cannot write the output" in done.stderr


def test_a_reader_that_has_gone_is_no_error(migrant):
    """`migrant … | head` ends as other programs do that SIGPIPE ends, and says nothing."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as gone:
        for arguments in (["version"], ["completion", "zsh"]):
            outcome = migrant(*arguments, stdout=gone)
            assert (outcome.status, outcome.err) == (128 + signal.SIGPIPE, ""), outcome


def test_json_is_all_there_is_on_stdout(migrant):
    outcome = migrant("doctor", "--json")
    document = json.loads(outcome.out)
    assert schema.check(document, "doctor")["ok"] == (outcome.status == 0), outcome
    assert {check["state"] for check in document["checks"]} <= {"ok", "changed", "warning", "error"}, outcome
    assert "{" not in outcome.err, outcome


def on_a_terminal(build, tmp_path, **environment):
    """stderr of a failing command on a terminal."""
    leader, follower = pty.openpty()
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "xterm", **environment}
    try:
        subprocess.run([build / "migrant", "frobnicate"], env=env, cwd=tmp_path, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=follower, timeout=LIMIT)
        return os.read(leader, 4096).decode()
    finally:
        os.close(follower)
        os.close(leader)


def test_colour_only_where_it_is_wanted(build, tmp_path):
    assert f"{ESCAPE}[" in on_a_terminal(build, tmp_path)
    assert ESCAPE not in on_a_terminal(build, tmp_path, NO_COLOR="1")
    assert ESCAPE not in on_a_terminal(build, tmp_path, TERM="dumb")


def test_every_command_with_json_is_documented(migrant):
    reporting = {" ".join(name) for name in command_names(migrant) if "--json" in migrant(*name, "--help").out}
    assert {"status", "policy show"} <= reporting
    for name in reporting - {"port", "snapshot list"}:  # these print what `status` has a list of
        assert schema.members("logs --network" if name == "logs" else name)
    assert schema.members("port") and schema.members("snapshot")


# --- completion


def complete_bash(migrant, *words):
    script = migrant("completion", "bash").out
    code = f'{script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _migrant; printf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(["bash", "-c", code, "bash", *words], text=True, capture_output=True, timeout=LIMIT)
    assert done.stderr == "", done
    return done.stdout.split()


def test_bash_completes_commands_and_options(migrant):
    commands = complete_bash(migrant, "migrant", "")
    assert {name[0] for name in command_names(migrant)} == set(commands)
    assert complete_bash(migrant, "migrant", "vali") == ["validate"]
    assert complete_bash(migrant, "migrant", "-C", "up", "vali") == ["validate"]
    assert "--template" in complete_bash(migrant, "migrant", "init", "--")
    assert complete_bash(migrant, "migrant", "init", "") == []
    assert "--sandbox" in complete_bash(migrant, "migrant", "snapshot", "restore", "--")
    assert complete_bash(migrant, "migrant", "completion", "") == ["bash", "zsh", "fish"]
    assert complete_bash(migrant, "migrant", "completion", "f") == ["fish"]


def test_fish_completes_commands_and_options(migrant, tmp_path):
    script = tmp_path / "migrant.fish"
    script.write_text(migrant("completion", "fish").out)

    def complete(line):
        done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"], text=True,
                              capture_output=True, timeout=LIMIT, env={**os.environ, "HOME": str(tmp_path)})
        assert done.stderr == "", done
        return {word.split("\t")[0] for word in done.stdout.splitlines()}

    assert {name[0] for name in command_names(migrant)} <= complete("migrant ")
    assert complete("migrant vali") == {"validate"}
    assert "--template" in complete("migrant init --")
    assert "--template" not in complete("migrant validate --")
    assert {"bash", "zsh", "fish"} <= complete("migrant completion ")


def test_zsh_completes_commands_and_options(migrant, tmp_path):
    (tmp_path / "_migrant").write_text(migrant("completion", "zsh").out)
    # A key after the one that lists prints a word, when the list is there.
    harness = """
        fpath=($1 $fpath); autoload -Uz compinit; compinit -D -u
        zmodload zsh/zpty
        zpty shell 'zsh -f -i'
        zpty -w shell "PS1=; fpath=($1 \\$fpath); autoload -Uz compinit; compinit -D -u; bindkey '^I' list-choices; unsetopt beep"
        zpty -w shell "listed() { print LIST''ED }; zle -N listed; bindkey '^G' listed"
        zpty -w shell "stty -echo; echo READ''Y"
        zpty -r -m shell line '*READY*'
        zpty -n -w shell "$2"$'\\t\\a'
        zpty -r -m shell line '*LISTED*'
        print -rn -- $line
        zpty -d shell
    """
    done = subprocess.run(["zsh", "-f", "-c", harness, "zsh", str(tmp_path), "migrant "], text=True,
                          capture_output=True, timeout=LIMIT, env={**os.environ, "TERM": "dumb", "HOME": str(tmp_path)})
    for name in command_names(migrant):
        assert re.search(rf"(?m)^{name[0]}\s+-- ", done.stdout), done
    done = subprocess.run(["zsh", "-f", "-c", harness, "zsh", str(tmp_path), "migrant init --"], text=True,
                          capture_output=True, timeout=LIMIT, env={**os.environ, "TERM": "dumb", "HOME": str(tmp_path)})
    assert re.search(r"--template\s+-- ", done.stdout), done
