"""One sandbox and all the ways into it: by name, ssh, exec, tunnel, console, logs, and what its guest may say or not."""

import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

import schema
from terminal import Terminal, show

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\nttl: 8h\nconnect: console\n"
HOME = "/home/dev"
STATE, UNAVAILABLE, NO_PERMISSION = 1, 69, 77
VIRSH = ["virsh", "-q", "-c", "qemu:///system"]


class Sandbox:
    def __init__(self, lab):
        self.lab = lab
        self.path = lab.project("access", MIGRANTFILE)

    def migrant(self, *argv, cwd=None, check=True, timeout=600, **options):
        return self.lab.migrant(*argv, cwd=cwd or self.path, check=check, timeout=timeout, **options)


    def terminal(self, *argv, **env):
        """migrant on a terminal of its own."""
        values = {"TERM": "xterm-256color", "LANG": "C.UTF-8", **env}
        return Terminal(self.lab.host.argv(["migrant", *argv], "dev", self.path, values))


@pytest.fixture(scope="module")
def box(world):
    sandbox = Sandbox(world)
    sandbox.migrant("up", timeout=900)
    yield sandbox
    sandbox.migrant("destroy", "-f", check=False)


# --- by name, from anywhere


def test_the_list_of_all_sandboxes(box):
    lines = box.migrant("global-status", cwd=HOME).stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "IP", "BOX", "DIRECTORY"]
    address = box.migrant("ip").stdout.strip()
    assert ["access", "running", address, "debian-12", box.path] in [line.split() for line in lines]
    mine = [entry for entry in json.loads(box.migrant("global-status", "--json", cwd=HOME).stdout)
            if entry["name"] == "access"]
    assert [(entry["state"], entry["ip"], entry["dir"], entry["problem"]) for entry in mine] == \
        [("running", address, box.path, None)]


def test_another_user_sees_and_touches_nothing_of_it(box):
    as_other = {"user": "other", "cwd": "/home/other"}
    result = box.migrant("global-status", **as_other)
    assert (result.stdout, "you have no sandboxes" in result.stderr) == ("", True)
    owners = {entry["name"]: entry["owner"] for entry in
              json.loads(box.migrant("global-status", "--all", "--json", **as_other).stdout)}
    assert owners["access"] == int(box.lab.host.run("id", "-u", "dev").stdout)
    for command in (["ssh", "access", "-c", "true"], ["halt", "access"], ["destroy", "-f", "access"],
                    ["status", "access"], ["ip", "access"]):
        result = box.migrant(*command, check=False, **as_other)
        assert result.returncode == NO_PERMISSION and "belongs to another user" in result.stderr, (command, result)


def test_a_name_does_from_anywhere_what_the_directory_does(box):
    assert box.migrant("ssh", "access", "-c", "hostname; exit 7", cwd=HOME, check=False).stdout == "access\n"
    assert box.migrant("ssh", "access", "--", "hostname", cwd=HOME).stdout == "access\n"
    assert box.migrant("ip", "access", cwd=HOME).stdout == box.migrant("ip").stdout
    assert json.loads(box.migrant("status", "access", "--json", cwd=HOME).stdout) == \
        json.loads(box.migrant("status", "--json").stdout)
    here = {"cwd": HOME}
    assert box.migrant("exec", "-w", "/tmp", "access", "--", "sh", "-c", "pwd; echo $*", "0", "--", "a", **here).stdout == \
        "/tmp\n-- a\n"
    assert box.migrant("exec", "sh", "-c", "echo $*", "0", "--", "a").stdout == "-- a\n"  # no name without one
    box.lab.host.sh("echo copied >named; migrant cp named access:; rm named; migrant cp access:named back; cat back",
                    user="dev", **here)
    assert box.lab.host.run("cat", f"{HOME}/back").stdout == "copied\n"
    assert box.migrant("policy", "show", "access", **here).stdout == box.migrant("policy", "show").stdout
    assert "no port of the guest is published" in box.migrant("port", "access", **here).stderr
    assert "the Migrantfile has no `tunnel:`" in box.migrant("tunnel", "access", check=False, **here).stderr
    assert "names no provisioner" in box.migrant("provision", "access", **here).stderr
    assert "the disk already has 4096 MiB" in box.migrant("resize", "access", **here).stderr
    assert "the policy is already in force" in box.migrant("reload", "--policy", "access", **here).stdout
    assert "runs: its shares stay mounted" in box.migrant("unmount", "access", check=False, **here).stderr


def test_a_name_that_is_none(box):
    result = box.migrant("status", "acess", cwd=HOME, check=False)
    assert result.returncode == STATE, result
    assert result.stderr == "error: there is no sandbox 'acess'\nhint: did you mean 'access'?\n"
    result = box.migrant("ssh", "uname", check=False)
    assert (result.returncode, result.stderr) == (
        STATE, "error: there is no sandbox 'uname'\n"
               "hint: a command goes with -c; 'migrant global-status' lists sandboxes\n")


def test_the_shell_completes_it(box):
    script = """
        eval "$(migrant completion bash)"
        COMP_WORDS=(migrant ssh acc); COMP_CWORD=2; _migrant; echo "${COMPREPLY[@]}"
        COMP_WORDS=(migrant -C /tmp halt ''); COMP_CWORD=4; _migrant; echo "${COMPREPLY[@]}"
        COMP_WORDS=(migrant box build arch); COMP_CWORD=3; _migrant; echo "${COMPREPLY[@]}"
        COMP_WORDS=(migrant exec acc); COMP_CWORD=2; _migrant; echo "${COMPREPLY[@]}"
        """
    assert box.lab.host.run("bash", "-uc", script, user="dev", cwd=HOME).stdout == "access\naccess\narch\naccess\n"


def test_a_sandbox_whose_directory_has_gone(box):
    """Moved away, broken, or another's by now: it is still reached by its name."""
    box.lab.host.run("mv", box.path, box.path + "-moved")
    try:
        assert box.migrant("ssh", "access", "-c", "hostname", cwd=HOME).stdout == "access\n"
        status = json.loads(box.migrant("status", "access", "--json", cwd=HOME).stdout)
        assert (status["state"], status["dir"], status["drift"], status["notes"]) == ("running", box.path, [], [])
        for command in (["provision"], ["reload"], ["reload", "--policy"], ["resize"], ["mount"]):
            result = box.migrant(*command, "access", cwd=HOME, check=False)
            assert result.returncode == 66 and "has no Migrantfile of the sandbox 'access' any more" in result.stderr, result
        box.lab.project("access", "name: another\n")
        assert json.loads(box.migrant("status", "access", "--json", cwd=HOME).stdout)["name"] == "access"
        box.lab.host.run("rm", "-r", box.path)
    finally:
        box.lab.host.run("mv", box.path + "-moved", box.path)


def test_what_programs_read_is_as_documented(box):
    """Each document against docs/json.md; those of shares and tunnels in their own tests."""
    def read(*argv):
        return json.loads(box.migrant(*argv, "--json").stdout)

    for command in ("status", "plan", "storage", "policy show"):
        schema.check(read(*command.split()), command)
    assert "table" in schema.check(read("policy", "show", "--rules"), "policy show")["rules"]
    for command, section in {"global-status": "global-status", "snapshot list": "snapshot", "box list": "box list"}.items():
        listed = [schema.check(entry, section) for entry in read(*command.split())]
        assert listed
    assert any(entry["installed"] for entry in listed)
    assert schema.check(read("box", "info", "debian-12"), "box info")["users"]


# --- ssh and exec on a terminal


@pytest.fixture
def terminal(box):
    started = []

    def start(*argv, **env):
        started.append(box.terminal(*argv, **env))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def shell(terminal):
    """A shell in the guest; what the terminal was like before."""
    one = terminal("ssh")
    one.before = one.modes()
    one.wait_text(rb"\$ $")
    return one


def is_raw(one):
    return one.modes() != one.before


def migrant_of(one):
    """The process of migrant behind nsenter."""
    return int(pathlib.Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()[0])


def test_a_shell_has_a_terminal_with_our_size(shell):
    assert is_raw(shell)
    shell.type("tty; stty size; echo done\r")
    shell.wait_text(rb"/dev/pts/\d+\r\n24 80\r\ndone\r\n")
    shell.resize(30, 100)
    shell.type("while [ \"$(stty size)\" != '30 100' ]; do sleep 0.2; done; echo resi''zed\r")
    shell.wait_text(b"resized\r\n")
    shell.type("sh -c 'echo sleep\"\"ing; exec sleep 1000'\r")  # said by what is to be interrupted, once it runs
    shell.wait_text(b"sleeping\r\n")
    shell.type("\x03")
    shell.wait_text(rb"\^C[^$]*\$ $")
    shell.type("echo after $?; sh -c 'echo sto''pping; exec cat'\r")
    shell.wait_text(b"after 130\r\nstopping\r\n")
    shell.type("\x1a")
    shell.wait_text(rb"Stopped[^$]*\$ $")
    shell.type("kill -9 %1; wait; exit 7\r")
    assert shell.end() == 7
    assert not is_raw(shell)


HOSTILE = r"printf 'one\033]52;c;ZXZpbA==\007\033[21t\005\033P+q544e\033\\two\302\2333thr\303\251e\033]0;title\007\n'"


def test_what_reaches_beyond_the_screen_is_dropped(shell):
    shell.type(HOSTILE + "\r")
    shell.wait_text("onetwo\ufffd3thr\u00e9e\x1b\\]0;title\x07\r\n".encode())
    shell.type("printf '\\033[?1049h\\033[?1003h\\033[?25l'; exit\r")
    assert shell.end() == 0
    for undone in (b"\x1b[?1049l", b"\x1b[?1003l", b"\x1b[?25h", b"\x1b[23;0t"):
        assert undone in shell.text
    assert not is_raw(shell)


@pytest.mark.parametrize("command", [["ssh", "-c"], ["exec", "-T", "--", "sh", "-c"], ["exec", "--", "sh", "-c"]])
def test_a_command_on_a_terminal_is_filtered_too(terminal, command):
    one = terminal(*command, HOSTILE + "; " + HOSTILE + " >&2; exit 3")
    assert one.end() == 3
    assert one.text.count("onetwo\ufffd3thr\u00e9e".encode()) == 2
    assert b"]52" not in one.text and b"[21t" not in one.text


def test_raw_is_raw(terminal):
    one = terminal("ssh", "--raw", "-c", HOSTILE)
    assert one.end() == 0
    assert b"\x1b]52;c;ZXZpbA==\x07" in one.text


def test_a_terminal_of_another_character_set(terminal):
    one = terminal("ssh", "-c", HOSTILE, LANG="de_DE.ISO-8859-1")
    assert one.end() == 0
    assert b"onetwo?3thr?e" in one.text and b"the locale is not UTF-8" in one.text


CURSES = """
import curses
def main(screen):
    curses.start_color(); curses.init_pair(1, curses.COLOR_RED, curses.COLOR_BLACK); curses.mousemask(-1)
    screen.border(); screen.addstr(5, 10, 'full screen', curses.color_pair(1) | curses.A_BOLD)
    screen.refresh(); screen.getch(); screen.addstr(7, 10, 'key seen'); screen.refresh(); screen.getch()
curses.wrapper(main)
"""


def test_a_full_screen_program_in_the_guest(terminal):
    one = terminal("exec", "-e", "TERM=xterm-256color", "--", "python3", "-c", CURSES)
    one.wait("full screen")
    cell = show(one.text).buffer[5][10]
    assert (cell.data, cell.fg, cell.bold) == ("f", "red", True)
    one.type("x")
    one.wait("key seen", "full screen")
    one.type("x")
    assert one.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV])
def test_the_terminal_comes_back_whatever_ends_us(shell, number):
    shell.type("printf '\\033[?1000hmouse\\n'\r")
    shell.wait_text(b"mouse\r\n")
    os.kill(migrant_of(shell), number)
    status = shell.end()
    assert status in (128 + number, -number)
    assert b"\x1b[?1000l" in shell.text
    assert not is_raw(shell)


def test_stopped_and_continued(shell):
    migrant = migrant_of(shell)
    os.kill(migrant, signal.SIGTSTP)
    shell.until(lambda: pathlib.Path(f"/proc/{migrant}/stat").read_text().split()[2] == "T", "stop")
    assert not is_raw(shell)
    os.kill(shell.pid, signal.SIGCONT)
    os.kill(migrant, signal.SIGCONT)
    shell.until(lambda: is_raw(shell), "raw mode")
    shell.type("echo still ''there; exit 4\r")
    assert shell.end() == 4
    assert b"still there" in shell.text


# --- exec without one


ARGUMENTS = ["", "two words", "a'b", '"', "$HOME", "$(id)", "`id`", "\\", "a\nb", "*", "-n", "--", "; id", "\x1b[31m", "ä", "!!"]


def test_arguments_directory_environment(box):
    result = box.migrant("exec", "--", "printf", "%s\\0", *ARGUMENTS)
    assert result.stdout == "".join(argument + "\0" for argument in ARGUMENTS)
    result = box.migrant("exec", "-w", "/tmp", "-e", "A=b c", "-e", "TERM", "--", "sh", "-c", "pwd; echo \"$A $TERM\"; tty",
                         env={"TERM": "vt100"}, check=False)
    assert (result.returncode, result.stdout) == (1, "/tmp\nb c vt100\nnot a tty\n")


@pytest.mark.parametrize("code", [0, 1, 126, 255])
def test_the_status_of_the_program(box, code):
    assert box.migrant("exec", "--", "sh", "-c", f"exit {code}", check=False).returncode == code


def test_no_such_program_or_directory(box):
    assert box.migrant("exec", "--", "no-such-program", check=False).returncode == 127
    assert box.migrant("exec", "-w", "/nowhere", "--", "true", check=False).returncode == 126
    assert box.migrant("exec", "--", "sh", "-c", "kill -TERM $$", check=False).returncode == 128 + signal.SIGTERM


def test_ctrl_c_ends_the_program_and_is_its_status(terminal):
    one = terminal("exec", "--", "sh", "-c", "echo begun; exec sleep 1000")
    one.wait_text(b"begun")
    one.type("\x03")
    assert one.end() == 128 + signal.SIGINT


def test_questions_are_for_those_who_can_read_the_answer(terminal):
    for option, passes in (("-T", False), ("-t", True)):
        one = terminal("exec", option, "--", "printf", r"before\033[6n\033]11;?\007\033[mafter")
        assert one.end() == 0
        assert (b"\x1b[6n" in one.text, b"\x1b]11;?" in one.text) == (passes, passes), one.text
        assert b"before" in one.text and b"after" in one.text


def test_every_byte_passes_a_pipe(box):
    """What is not a terminal is not filtered, in either direction."""
    box.lab.host.sh("""
        python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 4096)' >/tmp/bytes
        migrant exec -- cat </tmp/bytes >/tmp/back
        cmp /tmp/bytes /tmp/back
        """, user="dev", cwd=box.path)


def test_the_users_agent_only_when_insisted_upon(box):
    """With an agent in the environment; the risk is said."""
    script = """
        eval $(ssh-agent) >/dev/null; trap 'ssh-agent -k >/dev/null' EXIT
        migrant ssh -c 'echo "agent: $SSH_AUTH_SOCK"'
        migrant ssh --forward-agent -c 'test -S "$SSH_AUTH_SOCK" && echo forwarded'
        """
    result = box.lab.host.sh(script, user="dev", cwd=box.path)
    assert result.stdout == "agent: \nforwarded\n"
    assert result.stderr.count("can log in with your SSH keys elsewhere") == 1


# --- what other programs bring their own ssh for


def test_ssh_config_is_enough_for_ssh_and_scp(box):
    """Without an agent, a question or anything of the user's own configuration; the host key is pinned."""
    text = box.migrant("ssh-config", "access", "--host", "agent", cwd=HOME).stdout
    assert "\nHost agent\n" in text and "StrictHostKeyChecking yes" in text and "ForwardAgent no" in text
    box.lab.host.run("tee", f"{HOME}/agent.conf", user="dev", input=text)
    box.lab.host.sh("""
        cd
        ssh -F agent.conf agent 'hostname; cat >over' <agent.conf | grep -x access
        scp -q -F agent.conf agent:over back && cmp agent.conf back
        ! ssh -F agent.conf -o UserKnownHostsFile=/dev/null agent true 2>complaint
        grep -q 'Host key verification failed' complaint
        """, user="dev", cwd=HOME)
    known = f"{HOME}/.local/state/migrant/known_hosts-access"
    assert box.lab.host.run("stat", "-c", "%a %U", known).stdout == "600 dev\n"


def test_a_port_of_the_guests_loopback_through_a_tunnel(box):
    box.migrant("exec", "-T", "--", "sh", "-c",
                "nohup python3 -m http.server --bind 127.0.0.1 3000 >/dev/null 2>&1 </dev/null &")
    tunnel = box.terminal("tunnel", "3001:3000")
    try:
        tunnel.wait_text(b"127.0.0.1:3001 is port 3000 of the guest")
        answers = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:3001/ || true"
        tunnel.until(lambda: box.lab.host.sh(answers).stdout == "200", "answer")
        taken = box.migrant("tunnel", "3001:3000", check=False)
        assert taken.returncode == 73 and "port 3001 of the host: Address already in use" in taken.stderr
        os.kill(migrant_of(tunnel), signal.SIGINT)  # Ctrl-C would end the nsenter around it as well
        assert tunnel.end() == 0 and b"closed" in tunnel.text
    finally:
        tunnel.close()
    nothing = box.migrant("tunnel", check=False)
    assert nothing.returncode == 64 and "the Migrantfile has no `tunnel:`" in nothing.stderr


def test_ports_of_a_sandbox_that_publishes_none(box):
    result = box.migrant("port")
    assert (result.stdout, "no port of the guest is published" in result.stderr) == ("", True)
    assert json.loads(box.migrant("port", "--json").stdout) == []
    result = box.migrant("port", "80", check=False)
    assert result.returncode == STATE and "migrant tunnel 80" in result.stderr


# --- the console


def test_the_console_is_filtered_and_left_with_one_key(box, terminal):
    console = terminal("console")
    console.before = console.modes()
    console.wait_text(rb"Ctrl\+\] leaves it")
    console.until(lambda: is_raw(console), "raw mode")
    box.migrant("exec", "-T", "--", "sudo", "sh", "-c", "printf 'one\\033]52;c;eA==\\007two\\033[21tthree\\n' >/dev/ttyS0")
    console.wait_text(b"onetwothree")
    console.type("\r")
    console.wait_text(b"login: ")
    console.type("\x1d")
    assert console.end() == 0
    again = terminal("up")  # `connect: console`
    again.wait_text(rb"Ctrl\+\] leaves it")
    again.type("\x1d")
    assert again.end() == 0
    assert b"left the console" in console.text
    assert not is_raw(console)
    assert box.migrant("console", check=False).returncode == 64


def test_logs_of_the_console_and_of_cloud_init(box, terminal):
    """Escaped, whatever the guest has printed there; of no use to another user."""
    box.migrant("exec", "-T", "--", "sudo", "sh", "-c",
                "printf '\\nmark\\033[31mred\\033]0;t\\007\\302\\233x\\n' >/dev/ttyS0")
    follower = terminal("logs", "-f")
    follower.wait_text(rb"markred\\x1b\]0;t\\x07\\xc2\\x9bx")
    box.migrant("exec", "-T", "--", "sudo", "sh", "-c", "printf '\\nand\\033[5mmore\\n' >/dev/ttyS0")
    follower.wait_text(b"andmore")
    follower.type("\x03")
    assert follower.end() == -signal.SIGINT
    follower = terminal("logs", "--provision", "-f")
    follower.wait_text(rb"Z ==> access: up; ")
    box.migrant("up", "--no-provision", "access", cwd=HOME)
    follower.wait_text(rb"Z ==> access: is running")
    follower.type("\x03")
    assert follower.end() == -signal.SIGINT
    log = box.migrant("logs", "access", cwd=HOME).stdout
    assert "\nmarkred\\x1b]0;t\\x07\\xc2\\x9bx\n" in log and "\x1b" not in log
    none = box.migrant("logs", "--cloud-init", check=False)  # that it has one: test_layers.py
    assert none.returncode == 1 and "no log of cloud-init" in none.stderr
    result = box.lab.host.run("/usr/sbin/migrant-helper", "console", "access", user="other", cwd="/", check=False)
    assert result.returncode == NO_PERMISSION and "belongs to another user" in result.stderr


def test_logs_of_the_network_since(box):
    box.migrant("exec", "-T", "--", "python3", "-c", "import socket; socket.create_connection(('93.184.216.34', 80), 20)")
    shown, limit = [], time.monotonic() + 60
    while not shown:  # the keeper writes when it gets to it
        assert time.monotonic() < limit, "nothing was logged"
        shown = [json.loads(line)["time"] for line in
                 box.migrant("logs", "--network", "--json", "--since", "1h").stdout.splitlines()]
    assert box.migrant("logs", "--network", "--since", "2999-01-01").stdout == ""
    after = [json.loads(line)["time"] for line in
             box.migrant("logs", "--network", "--json", "--since", shown[-1][:19]).stdout.splitlines()]
    assert after and all(time >= shown[-1][:19] for time in after)
    for line in box.migrant("logs", "--network", "--json").stdout.splitlines():
        schema.check(json.loads(line), "logs --network")


# --- a guest that hangs, and one whose time is over


def test_a_guest_that_stands_still(box):
    """Nothing waits for it; `up` lets it go on."""
    box.lab.host.run(*VIRSH, "suspend", "migrant-access")
    assert json.loads(box.migrant("status", "--json").stdout)["state"] == "paused"
    for command in (["ssh", "-c", "true"], ["exec", "--", "true"], ["cp", ":x", "."], ["logs", "--cloud-init"], ["logs", "-f"],
                    ["provision"], ["resize"], ["ip"], ["ssh-config"], ["tunnel", "3000"]):
        result = box.migrant(*command, check=False, timeout=60)
        assert (result.returncode, result.stdout) == (STATE, ""), result
        assert result.stderr == "error: the sandbox 'access' is not running (paused)\nhint: start it: migrant up\n", command
    console = box.terminal("console")
    assert console.end() == STATE and b"not running (paused)" in console.text
    assert "login:" in box.migrant("logs").stdout and "in force" in box.migrant("reload", "--policy").stdout
    box.migrant("up")
    assert box.migrant("exec", "--", "echo", "on").stdout == "on\n"


HANG = r"""
mkdir -p /run/systemd/logind.conf.d
printf '[Login]\nHandlePowerKey=ignore\n' >/run/systemd/logind.conf.d/deaf.conf
systemctl kill -s HUP systemd-logind
kill -STOP $(systemctl show -p MainPID --value ssh)
"""


def test_a_guest_that_answers_nothing(box):
    """It takes connections, says nothing on them, and does not hear the power button: each gives up by itself."""
    box.migrant("exec", "-T", "--", "sudo", "sh", "-c", HANG)
    box.lab.project("access", MIGRANTFILE + "provision: [{shell: {inline: 'true'}}]\n")
    commands = [["ssh", "-c", "true"], ["ssh"], ["exec", "--", "true"], ["cp", ":x", "."], ["cp", "Migrantfile", ":"],
                ["logs", "--cloud-init"], ["tunnel", "3000"], ["provision"]]
    started = [box.lab.host.spawn("migrant", *command, user="dev", cwd=box.path, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for command in commands]
    for command, popen in zip(commands, started):
        out, err = popen.communicate(timeout=300)
        assert (popen.returncode, out) == (UNAVAILABLE, ""), (command, err)
        assert "cannot reach the guest by SSH: " in err and "timed out" in err, (command, err)
    box.lab.project("access", MIGRANTFILE)
    status = json.loads(box.migrant("status", "--json", timeout=60).stdout)
    assert (status["state"], status["drift"]) == ("running", [])
    result = box.migrant("halt", "--timeout", "1", timeout=120)
    assert "it does not within 1 s; turning it off" in result.stderr


def test_its_time(box):
    """When it is over the sandbox is halted, once nobody else works on it; it starts again, with all its time."""
    box.lab.host.sh(fr"""
        virsh -q -c qemu:///system dumpxml --inactive migrant-access | sed -E 's/(<migrant:ttl>)28800</\12</' >/tmp/short.xml
        grep -q '<migrant:ttl>2<' /tmp/short.xml
        virsh -q -c qemu:///system define /tmp/short.xml
        flock {box.path} virsh -q -c qemu:///system start --paused migrant-access
        """)
    limit = time.monotonic() + 120
    while json.loads(box.migrant("status", "--json", check=False).stdout)["state"] != "shutoff":
        assert time.monotonic() < limit, "nothing has halted it"
    terminal = box.terminal("up", "--timeout", "500")
    terminal.limit = 600
    terminal.wait_text(rb"Ctrl\+\] leaves it")
    terminal.type("\x1d")
    assert terminal.end() == 0
    left = json.loads(box.migrant("status", "--json").stdout)["ttl_left"]
    assert 0 < left <= 8 * 3600 and "ttl_left:      7h" in box.migrant("status").stdout
    terminal.close()


# --- and what is left of it


def test_destroyed_by_its_name(box):
    assert box.migrant("exec", "--", "true", cwd=HOME, check=False).returncode == 66  # no project there
    box.migrant("halt", "access", "-f", cwd=HOME)
    for command in (["exec", "--", "true"], ["ssh"], ["console"], ["tunnel", "3000"], ["ssh-config"]):
        result = box.migrant(*command, check=False)
        assert result.returncode == (64 if command == ["console"] else STATE), (command, result)
    assert "login:" in box.migrant("logs").stdout
    assert " ==> access: making the sandbox\n" in box.migrant("logs", "--provision", "access", cwd=HOME).stdout
    box.migrant("destroy", "-f", "access", cwd=HOME)
    assert box.lab.host.run("find", HOME, "-name", "known_hosts*access", "-o", "-name", "provision-access*").stdout == ""
    for kind in ([], ["--provision"], ["--network"]):
        assert box.migrant("logs", *kind, check=False).returncode == STATE
    assert "you have no sandboxes" in box.migrant("global-status", cwd=HOME).stderr
