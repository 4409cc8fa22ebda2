"""The claude-code template for real: a guest that installs Claude Code, and all beside it, from the package registries.

The one guest that uses the machine's real network. Where the registries have addresses that the isolation denies, as
behind a proxy, the Migrantfile opens just these; the machine's own certificates and what its apt is told are planted too.
"""

import ipaddress
import json
import pathlib
import re
import socket
import subprocess
from urllib.parse import urlsplit

import pytest

from claude import ANSWERED, HOME, LIMIT, LOGIN, MIRROR, TOKEN, VERSION, packages, registry
from conftest import POOL, fill_pool
from lab import Lab
from terminal import Terminal

PROJECT = "/home/dev/claude"
CONFIG = f"{HOME}/.claude"


def denied(*urls):
    """{host: address} of those that no sandbox reaches unless it is told so."""
    found = {}
    for host in {urlsplit(url).hostname for url in urls}:
        address = socket.getaddrinfo(host, None, socket.AF_INET)[0][4][0]
        if not ipaddress.ip_address(address).is_global:
            found[host] = address
    return found


def cloud_init(hosts):
    """Names that a gateway answers to nobody with such addresses, the machine's certificates, its apt's settings."""
    certificates = [p.read_text() for p in sorted(pathlib.Path("/usr/local/share/ca-certificates").glob("*.crt"))]
    settings = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout.splitlines()
    apt = [line for line in settings if re.match(r"Acquire::(Check-|Languages|https?::)", line)]
    lines = [f"{address} {host}" for host, address in hosts.items()]
    append = 'file=$1; shift; [ $# -eq 0 ] || printf "%s\\n" "$@" >>"$file"'
    return "#cloud-config\n" + json.dumps({
        **({"ca_certs": {"trusted": certificates}} if certificates else {}),
        "bootcmd": [["sh", "-c", append, "sh", "/etc/hosts", *lines],
                    ["sh", "-c", append, "sh", "/etc/apt/apt.conf.d/90machine", *apt]],
    }) + "\n"


def migrantfile(text, hosts):
    """The template's, with its share for the login, and what this machine needs."""
    changes = {"memory: 4G": "memory: 2G",
               "# - host: login\n#   guest: /home/migrant/.claude\n#   size: 1G\n":
               "  - host: login\n    guest: /home/migrant/.claude\n    size: 1G\n",
               "  isolate: true\n": f"  allow: {json.dumps(['lan ' + a for a in sorted(set(hosts.values()))])}\n",
               "      claude_version: latest":
               # of the packages only two: unpacking takes its time in an emulated guest
               f'      claude_version: "{VERSION}"\n      claude_registry: {registry()}\n      claude_packages: [git, ripgrep]'}
    for old, new in changes.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


class Sandbox:
    def __init__(self, lab):
        self.lab = lab

    def migrant(self, *argv, **options):
        return self.lab.migrant(*argv, cwd=PROJECT, **{"timeout": 1800, **options})

    def ssh(self, command, **options):
        return self.migrant("ssh", "-c", command, **options).stdout

    def is_logged_in(self):
        return json.loads(self.ssh("claude auth status || true"))["loggedIn"]

    def keep(self, file, content):
        self.ssh(f"umask 077; cat >{CONFIG}/{file}", input=json.dumps(content))


@pytest.fixture(scope="module")
def box(build, box_files):
    hosts = denied(registry(), packages()["dist"]["tarball"], MIRROR)
    with Lab(online=True) as lab:
        lab.install(build)
        fill_pool(lab, box_files)
        sandbox = Sandbox(lab)
        lab.host.run("mkdir", PROJECT, user="dev")
        sandbox.migrant("init", "--template", "claude-code")
        text = lab.host.run("cat", f"{PROJECT}/Migrantfile").stdout
        for path, content in {"Migrantfile": migrantfile(text, hosts), "cloud-init.yml": cloud_init(hosts)}.items():
            lab.host.run("tee", f"{PROJECT}/{path}", user="dev", input=content)
        sandbox.up = sandbox.migrant("up")
        yield sandbox
        sandbox.migrant("destroy", "-f", "--shares", check=False)


def test_claude_code_is_installed(box):
    assert "kept as layer" in box.up.stderr, box.up.stderr
    assert box.ssh("claude --version; c --version") == f"{VERSION} (Claude Code)\n" * 2
    assert box.ssh("ls -A /opt/claude-code; stat -c '%U %a' /opt/claude-code/*/claude") == f"{VERSION}\nroot 755\n"


def test_what_an_agent_expects(box):
    lines = box.ssh("git --version; rg --version | head -n 1; id -un; sudo -n id -un; bash -lic alias").splitlines()
    assert lines[0].startswith("git version") and lines[1].startswith("ripgrep") and lines[2:4] == ["migrant", "root"]
    assert "alias ll='ls -l'" in lines
    assert box.ssh("echo work >workspace/result; stat -c %U workspace/result") == "migrant\n"
    assert box.lab.host.run("cat", f"{PROJECT}/workspace/result", user="dev").stdout == "work\n"


def test_the_playbook_finds_nothing_to_do_the_second_time(box):
    result = box.migrant("provision")
    assert re.search(r"changed=0 .*failed=0", result.stderr), result.stderr


def test_its_interface_on_a_terminal(box):
    """Drawn, and it takes what is typed, through the filter."""
    for file, content in ANSWERED.items():
        box.keep(file, content)
    terminal = Terminal(box.lab.host.argv(["migrant", "ssh"], "dev", PROJECT, {"TERM": "xterm-256color", "LANG": "C.UTF-8"}),
                        limit=LIMIT)
    try:
        terminal.wait_text(rb"\$ $")
        terminal.type("c\r")
        terminal.wait(f"Claude Code v{VERSION}", "~/workspace", "bypass permissions on", "run /login")
        terminal.type("/login")
        terminal.wait("❯ /login", "Sign in with your Anthropic account")
        assert b"\x1b[?u" in terminal.text  # a question that passes the filter, and two that it drops
        assert not re.search(rb"\x1b\[>0q|\x1b\]8;", terminal.text)
    finally:
        terminal.close()


def test_how_it_is_logged_in(box):
    """As far as it goes without an account: the address to open is shown, a code is asked for."""
    login = Terminal(box.lab.host.argv(["migrant", "exec", "--", "claude", "auth", "login"], "dev", PROJECT,
                                       {"TERM": "xterm-256color", "LANG": "C.UTF-8"}), limit=LIMIT)
    try:
        login.wait_text(rb"https://claude\.ai/oauth/authorize\?[^\s]+\r\n")
        login.wait_text(rb"Paste code here")
    finally:
        login.close()


def test_the_login_outlives_the_sandbox_in_its_share_and_is_not_in_the_layer(box):
    assert not box.is_logged_in()
    box.keep(".credentials.json", LOGIN)
    assert box.is_logged_in()
    box.ssh("echo 'made in the first' >made; sync")
    box.migrant("destroy", "-f")
    path = f"{PROJECT}/login/.credentials.json"
    assert box.lab.host.run("ls", path, user="dev", check=False).returncode != 0  # not mounted
    result = box.migrant("up")
    assert "starts from the layer" in result.stderr and "provisioning" not in result.stderr
    assert box.ssh("claude --version; c --version; ls made 2>/dev/null || true") == f"{VERSION} (Claude Code)\n" * 2
    assert box.is_logged_in()
    assert TOKEN in box.lab.host.run("cat", path, user="dev").stdout
    layer, = json.loads(box.migrant("storage", "--json").stdout)["layers"]
    holds = [box.lab.host.run("grep", "-qaF", "-e", text, f"{POOL}/{layer['volume']}", check=False).returncode
             for text in ("DISABLE_AUTOUPDATER", TOKEN)]
    assert holds == [0, 1]  # what the playbook wrote is found, the token is not


def test_destroy_with_the_shares_ends_the_login(box):
    assert len(json.loads(box.migrant("storage", "--json").stdout)["images"]) == 2
    box.migrant("destroy", "-f", "--shares")
    assert json.loads(box.migrant("storage", "--json").stdout)["images"] == []
    assert box.lab.host.run("find", PROJECT, "-name", ".credentials.json").stdout == ""
