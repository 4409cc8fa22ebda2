"""The claude-code template's playbook for real: Debian's packages and the npm registry's, on a Debian 12 of its own.

That is a root file system of the box's packages in a lab's host and not a guest: what is emulated takes many times as
long to unpack. Uses the machine's real network, to reach the registries.
"""

import json
import re
import shutil
import subprocess

import pytest
import yaml

from claude import ANSWERED, HOME, LIMIT, LOGIN, MIRROR, PACKAGE, VERSION, packages, registry
from lab import Lab
from terminal import Terminal, show

SSL = {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}


class Debian:
    def __init__(self, lab, playbook):
        self.lab, self.playbook = lab, playbook
        self.lab.host.run("useradd", "--create-home", "--shell", "/bin/bash", "migrant")
        self.write("/root/playbook.yml", playbook, user=None)

    def write(self, path, text, user="migrant"):
        self.lab.host.run("tee", path, user=user, input=text, cwd="/")

    def play(self, **variables):
        values = {"ansible_user": "migrant", "claude_registry": registry(), "claude_version": VERSION,
                  "claude_packages": ["git", "openssl", "ripgrep"], **variables}
        return self.lab.host.run("ansible-playbook", "-i", "localhost,", "-c", "local", "-e", json.dumps(values), "playbook.yml",
                                 cwd="/root", env=SSL, check=False, timeout=1200)

    def agent(self, command):
        """As the login user, without a shell's settings, as `migrant exec` does."""
        return self.lab.host.sh(command, user="migrant", cwd=HOME, timeout=LIMIT).stdout

    def keep(self, file, content):
        self.agent("mkdir -p .claude")
        self.write(f"{HOME}/.claude/{file}", json.dumps(content))

    def versions(self):
        return self.lab.host.run("ls", "-A", "/opt/claude-code").stdout.split()


@pytest.fixture(scope="module")
def debian(build, tmp_path_factory):
    packages()
    root = build / "agent-root"
    if not root.exists():
        part = build / "agent-root.part"
        shutil.rmtree(part, ignore_errors=True)
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase",
                        "--include=ansible-core,ca-certificates,python3-apt,sudo,systemd-sysv", "bookworm", str(part), MIRROR],
                       check=True, timeout=1200)
        part.rename(root)
    project = tmp_path_factory.mktemp("project")
    subprocess.run([build / "migrant", "-C", project, "init", "--template", "claude-code"], check=True, timeout=60)
    with Lab(online=True, root=root) as lab:
        made = Debian(lab, (project / "playbook.yml").read_text())
        made.first = made.play()
        yield made


def test_claude_code_is_installed(debian):
    assert re.search(r"changed=[1-9].* failed=0", debian.first.stdout), debian.first.stdout
    assert debian.versions() == [VERSION]
    assert debian.agent("claude --version; c --version") == f"{VERSION} (Claude Code)\n" * 2
    assert debian.lab.host.sh("stat -c '%U %a' /opt/claude-code/*/claude").stdout == "root 755\n"


def test_what_an_agent_expects(debian):
    lines = debian.agent("git --version; rg --version | head -n 1; stat -c %U workspace; bash -lic alias").splitlines()
    assert lines[0].startswith("git version") and lines[1].startswith("ripgrep") and lines[2] == "migrant"
    assert "alias ll='ls -l'" in lines
    play, = yaml.safe_load(debian.playbook)  # the rest could be installed
    assert "Inst tmux" in debian.lab.host.run("apt-get", "--simulate", "--no-install-recommends", "install",
                                              *play["vars"]["claude_packages"]).stdout


def test_the_playbook_finds_nothing_to_do_the_second_time(debian):
    again = debian.play()
    assert re.search(r"changed=0 .*failed=0", again.stdout), again.stdout


def test_what_the_registry_does_not_name_is_not_installed(debian):
    """A registry whose file is another than its metadata says."""
    lie = {"version": "9.9.9", "dist": {"tarball": "http://127.0.0.1:8089/file", "integrity": "sha512-AAAA"}}
    debian.lab.host.run("mkdir", "-p", f"/srv/{PACKAGE}")
    for path, text in {"file": "other", f"{PACKAGE}/latest": json.dumps(lie)}.items():
        debian.write(f"/srv/{path}", text, user=None)
    debian.lab.keep_running(debian.lab.host.spawn("python3", "-m", "http.server", "8089", cwd="/srv", stderr=subprocess.DEVNULL))
    refused = debian.play(claude_registry="http://127.0.0.1:8089", claude_version="latest")
    assert refused.returncode == 2 and "/file is not the file that the registry names" in refused.stdout, refused.stdout
    assert "TASK [Unpack it]" not in refused.stdout
    assert debian.agent("claude --version") == f"{VERSION} (Claude Code)\n"


def test_an_older_version_goes(debian):
    debian.lab.host.sh(f"mv /opt/claude-code/{VERSION} /opt/claude-code/2.0.0; sed -i s/{VERSION}/2.0.0/ /usr/local/bin/claude")
    assert debian.agent("claude --version") == f"{VERSION} (Claude Code)\n"  # it runs from there
    assert debian.play().returncode == 0
    assert debian.versions() == [VERSION]
    assert debian.agent("claude --version") == f"{VERSION} (Claude Code)\n"


def test_its_interface_on_a_terminal(debian, build):
    """It is drawn and takes what is typed; what the filter leaves of it looks the same."""
    for file, content in ANSWERED.items():
        debian.keep(file, content)
    argv = debian.lab.host.argv(["c"], "migrant", HOME, {"TERM": "xterm-256color", "LANG": "C.UTF-8"})
    terminal = Terminal(argv, limit=LIMIT)
    try:
        terminal.wait(f"Claude Code v{VERSION}", "~/workspace", "bypass permissions on", "run /login")
        terminal.type("/login")
        terminal.wait("❯ /login", "Sign in with your Anthropic account")
        text = terminal.text[:terminal.text.rindex(b"\x1b")]
    finally:
        terminal.close()
    mark = b"~~MARK~~"
    passed = subprocess.run([build / "tests/filtertool", "4096"], input=text + b"\x18" + mark, capture_output=True, check=True,
                            timeout=60).stdout.split(mark)[0]
    assert show(passed).display == show(text).display
    assert b"\x1b[>0q" in text and b"\x1b[>0q" not in passed


def test_how_it_is_logged_in(debian):
    """As far as it goes without an account: the address to open is shown, and a code asked for."""
    argv = debian.lab.host.argv(["claude", "auth", "login"], "migrant", HOME, {"TERM": "xterm-256color", "LANG": "C.UTF-8"})
    login = Terminal(argv, limit=LIMIT)
    try:
        login.wait_text(rb"https://claude\.ai/oauth/authorize\?[^\s]+\r\n")
        login.wait_text(rb"Paste code here")
    finally:
        login.close()


def test_all_that_it_keeps_is_where_the_template_says(debian):
    """A share there holds all of it."""
    def is_logged_in():
        return json.loads(debian.agent("claude auth status || true"))["loggedIn"]

    assert not is_logged_in()
    debian.keep(".credentials.json", LOGIN)
    assert is_logged_in()
    kept = debian.agent("find . -newer /usr/local/bin/c -type f ! -path './.claude/*' ! -path './.cache/*'")
    assert kept == "", kept
    debian.agent("rm -r .claude")
    assert not is_logged_in()
