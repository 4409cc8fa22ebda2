"""Ansible against a real guest that cannot be trusted, on a host whose own configuration is hostile, too."""

import json
import time

import pytest

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\nhooks: hooks\nttl: 12h\n"
HOOK = """#!/bin/sh
echo "$MIGRANT_HOOK $MIGRANT_TRIGGER $MIGRANT_NAME $MIGRANT_IP" >>"$MIGRANT_DIR/hooks.log"
case " $(cat "$MIGRANT_DIR/fail" 2>/dev/null) " in *" $MIGRANT_HOOK "*) echo no; exit 1;; esac
"""

PLAYBOOK = """\
- hosts: all
  become: true
  tasks:
    - name: write who it is
      ansible.builtin.copy:
        dest: /etc/provisioned
        content: "{{ inventory_hostname }} {{ ansible_facts.distribution }}\\n"
    - name: show a local fact
      ansible.builtin.debug:
        msg: "fact: {{ ansible_local.evil.text | default('none') }}"
"""

# Would be seen: ssh through a command of its own, a callback that runs at every start.
ANSIBLE_CFG = """\
[defaults]
callback_plugins = {directory}
callbacks_enabled = owned
[ssh_connection]
ssh_args = -o ProxyCommand='touch {owned}'
"""
CALLBACK = """\
from ansible.plugins.callback import CallbackBase
open("{owned}", "w")
class CallbackModule(CallbackBase):
    CALLBACK_NAME = "owned"
"""
OWNED = "/home/dev/owned"
# A fact that is a template: whoever evaluates it runs a command on the host.
EVIL_FACT = """{"text": "{{ lookup('pipe', 'touch %s') }} \\u001b]0;owned\\u0007"}""" % OWNED


def write(lab, path, text):
    lab.host.run("tee", path, user="dev", input=text)


def is_owned(lab):
    return lab.host.run("test", "-e", OWNED, check=False).returncode == 0


def leftovers(lab):
    return lab.host.sh("ls -d /home/dev/.cache/migrant/provision* 2>/dev/null || true; pgrep -a ansible || true").stdout


def failing(lab, project, hooks):
    write(lab, f"{project}/fail", hooks)


def hooks_run(lab, project):
    """What has run since it was asked last."""
    lines = lab.host.run("cat", f"{project}/hooks.log").stdout.splitlines()
    lab.host.run("truncate", "-s", "0", f"{project}/hooks.log")
    return lines


@pytest.fixture(scope="module")
def project(world):
    """A sandbox whose first `up` ran the playbook, from a directory and a home full of traps."""
    path = world.project("playbook", MIGRANTFILE, files={
        "playbook.yml": PLAYBOOK,
        "ansible.cfg": ANSIBLE_CFG.format(directory="/home/dev/plugins", owned=OWNED),
    })
    world.host.run("mkdir", "-p", "/home/dev/plugins", user="dev")
    write(world, "/home/dev/.ansible.cfg", ANSIBLE_CFG.format(directory="/home/dev/plugins", owned=OWNED))
    write(world, "/home/dev/plugins/owned.py", CALLBACK.format(owned=OWNED))
    # the traps work where they are meant to: else they prove nothing
    world.host.sh("ansible all -i localhost, -m ping || true", user="dev", cwd=path)
    assert is_owned(world)
    world.host.run("rm", OWNED)
    world.host.run("mkdir", f"{path}/hooks", user="dev")
    for hook in ("pre-up", "post-up", "pre-down", "post-down"):
        write(world, f"{path}/hooks/{hook}", HOOK)
        world.host.run("chmod", "755", f"{path}/hooks/{hook}")
    failing(world, path, "pre-up")
    result = world.migrant("up", cwd=path, check=False, timeout=120)
    assert result.returncode == 70 and "the hook pre-up ended with status 1" in result.stderr
    assert "pre-up | no\n" in result.stderr and "making" not in result.stderr
    assert world.host.run("virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name").stdout.split() == []
    failing(world, path, "post-up")
    result = world.migrant("up", cwd=path, timeout=900)
    assert "warning: the hook post-up ended with status 1" in result.stderr
    yield path
    world.migrant("destroy", "-f", cwd=path, check=False, timeout=600)


def test_first_up_has_run_it(world, project):
    assert world.migrant("ssh", "-c", "cat /etc/provisioned", cwd=project).stdout == "playbook Debian\n"
    assert not is_owned(world)
    assert leftovers(world) == ""
    address = world.migrant("ip", cwd=project).stdout.strip()
    assert hooks_run(world, project) == ["pre-up up playbook ", "pre-up up playbook ", f"post-up up playbook {address}"]


def test_again_with_traps_in_the_environment(world, project):
    # and as it is when the first one was killed before its end
    virsh = "virsh -q -c qemu:///system"
    world.host.sh(f"{virsh} dumpxml --inactive migrant-playbook | grep -v '<snapshots:snapshot name=\"up\"' >/run/unkept.xml; "
                  f"{virsh} define /run/unkept.xml; rm /run/unkept.xml")
    assert world.migrant("snapshot", "list", cwd=project).stdout == ""
    assert world.migrant("reset", cwd=project, check=False).returncode == 66
    result = world.migrant("provision", cwd=project, timeout=600, env={
        "ANSIBLE_CONFIG": f"{project}/ansible.cfg", "ANSIBLE_SSH_ARGS": f"-o ProxyCommand='touch {OWNED}'",
        "ANSIBLE_CALLBACK_PLUGINS": "/home/dev/plugins", "SSH_AUTH_SOCK": "/run/nowhere",
        "PYTHONPATH": "/home/dev/plugins"})
    assert "failed=0" in result.stderr and "TASK [write who it is]" in result.stderr
    assert result.stdout == ""
    assert not is_owned(world)
    kept = json.loads(world.migrant("snapshot", "list", "--json", cwd=project).stdout)
    assert [s["name"] for s in kept] == ["up"]


def test_facts_are_text(world, project):
    """A guest that answers with a template and control characters gets them printed, escaped."""
    world.migrant("ssh", "-c", "sudo mkdir -p /etc/ansible/facts.d; sudo tee /etc/ansible/facts.d/evil.fact >/dev/null",
                  cwd=project, input=EVIL_FACT)
    result = world.migrant("provision", cwd=project, timeout=600)
    assert "lookup('pipe'" in result.stderr
    assert "\x1b" not in result.stderr and "\x07" not in result.stderr
    assert not is_owned(world)


SCRIPTS = """\
provision:
  - {shell: {inline: "printf 'one\\\\rtwo\\\\n\\\\033]0;owned\\\\007\\\\n'; id -un; pwd; echo wrong >&2"}, name: says}
  - shell: setup.py
  - shell: {inline: id -un, user: user}
  - file: {from: motd, to: /etc/motd, mode: 0640}
  - file: {from: tree, to: /home/migrant/tree, user: user}
  - {shell: {inline: "echo before; exit 3"}, name: fails}
  - shell: {inline: touch /never}
"""
SETUP = "#!/usr/bin/python3\nimport sys\nprint('python', sys.stdin.read() == '')\n"


def test_scripts_and_files(world, project):
    """In their order, until one fails; each line with its provisioner's name, and nothing that drives a terminal."""
    write(world, f"{project}/Migrantfile", MIGRANTFILE + SCRIPTS)
    write(world, f"{project}/setup.py", SETUP)
    write(world, f"{project}/motd", "be welcome\n")
    world.host.sh("mkdir -p 'tree/a b'; echo deep >'tree/a b/c'; ln -s /etc/passwd tree/link", user="dev", cwd=project)
    result = world.migrant("provision", cwd=project, check=False, timeout=300)
    assert result.returncode == 70 and result.stdout == ""
    assert "fails ended with status 3" in result.stderr and "hint: " in result.stderr
    for line in ("says | one", "says | two", "says | \\x1b]0;owned\\x07", "says | root", "says | /home/migrant",
                 "says | wrong", "setup.py | python True", "shell | migrant", "fails | before"):
        assert line + "\n" in result.stderr
    assert "\x1b" not in result.stderr
    kept = world.migrant("logs", "--provision", "--since", "1h", "playbook", cwd="/").stdout.splitlines()
    said = result.stderr.splitlines()
    assert [line.split(" ", 1)[1] for line in kept[-len(said):]] == said
    assert world.migrant("logs", "--provision", "--since", "2999-01-01", cwd=project).stdout == ""
    world.migrant("provision", "--with", "tree", cwd=project)  # is there already
    look = ("stat -c '%a %U %n' /etc/motd tree tree/link 'tree/a b/c'; cat /etc/motd 2>&1; sudo cat /etc/motd; "
            "readlink tree/link; ls /never /tmp/migrant-provision* 2>&1 | wc -l; ls -A /etc | grep migrant || true")
    assert world.migrant("ssh", "-c", look, cwd=project).stdout == (
        "640 root /etc/motd\n755 migrant tree\n777 migrant tree/link\n644 migrant tree/a b/c\n"
        "cat: /etc/motd: Permission denied\nbe welcome\n/etc/passwd\n2\n")
    result = world.migrant("provision", "--with", "motd", cwd=project)
    assert "/etc/motd: 1 file, 1 KiB" in result.stderr and "says |" not in result.stderr


def test_a_file_that_cannot_be_made(world, project):
    write(world, f"{project}/Migrantfile", MIGRANTFILE + "provision: [{file: {from: motd, to: /etc/x, user: user}}]\n")
    result = world.migrant("provision", cwd=project, check=False)
    assert result.returncode == 70
    assert "/etc/x cannot be made in the guest: " in result.stderr and "Permission denied" in result.stderr


ROLE = """\
provision:
  - ansible: roles.yml
    name: tools
    vars: {greeting: "hello {{ inventory_hostname }}", count: 3}
    tags: [wanted]
    requirements: requirements.yml
    config: named.cfg
"""
ROLES = """\
- hosts: all
  gather_facts: false
  roles: [{role: fetched, tags: wanted}]
  tasks:
    - ansible.builtin.debug:
        msg: "{{ greeting }} {{ count + 1 }} {{ lookup('config', 'DEFAULT_FORKS') }} {{ ansible_user }}"
      tags: wanted
    - ansible.builtin.fail: {}
"""


def test_roles_that_are_fetched_and_a_configuration_that_is_named(world, project):
    write(world, f"{project}/Migrantfile", MIGRANTFILE + ROLE)
    write(world, f"{project}/roles.yml", ROLES)
    write(world, f"{project}/requirements.yml", "roles: [{src: fetched.tar.gz, name: fetched}]\n")
    write(world, f"{project}/named.cfg",
          f"[defaults]\nforks = 7\n[ssh_connection]\nssh_args = -o ProxyCommand='touch {OWNED}'\n")
    world.host.sh("mkdir -p fetched/meta fetched/tasks; echo 'galaxy_info: {author: dev}' >fetched/meta/main.yml; "
                  "echo '[{ansible.builtin.command: {argv: [touch, fetched-role]}}]' >fetched/tasks/main.yml; "
                  "tar -czf fetched.tar.gz fetched; rm -r fetched", user="dev", cwd=project)
    result = world.migrant("provision", cwd=project, timeout=600)
    assert '"msg": "hello playbook 4 7 migrant"' in result.stderr
    assert "tools | TASK [fetched : " in result.stderr
    assert world.migrant("ssh", "-c", "ls fetched-role", cwd=project).stdout == "fetched-role\n"
    assert not is_owned(world)
    assert leftovers(world) == ""


# A guest answers for every module. This one says what add_host says, names a connection and an interpreter of its
# choice, also to a playbook that asks for them, and tells `fetch` another path.
LIAR = """\
#!/bin/sh
cat >/dev/null
exec printf '%s' '{"changed": true, "ping": "/home/dev/evil", "add_host": {"host_name": "playbook", "host_vars": {
"ansible_connection": "local", "ansible_python_interpreter": "/home/dev/evil", "ansible_ssh_executable": "/home/dev/evil",
"ansible_shell_executable": "/home/dev/evil"}}, "ansible_facts": {"ansible_connection": "local",
"ansible_python_interpreter": "/home/dev/evil", "inventory_hostname": "localhost"},
"stat": {"exists": true, "checksum": "1"}, "source": "../../../../../../home/dev/owned", "encoding": "base64",
"content": "b3duZWQ="}'
"""
CREDULOUS = """\
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.ping: {}
      register: answer
    - ansible.builtin.fetch: {src: /etc/hostname, dest: /home/dev/fetched/}
      ignore_errors: true
    - ansible.builtin.add_host:
        name: playbook
        ansible_connection: local
        ansible_python_interpreter: "{{ answer.ping }}"
        ansible_ssh_executable: "{{ answer.ping }}"
    - ansible.builtin.ping: {}
"""


def test_a_guest_that_lies_to_every_module(world, project):
    for path, text in {"/home/dev/liar": LIAR, "/home/dev/evil": f"#!/bin/sh\ntouch {OWNED}\n"}.items():
        write(world, path, text)
        world.host.run("chmod", "755", path)
    write(world, f"{project}/credulous.yml", CREDULOUS)
    # the lie works where nobody guards against it: else it proves nothing
    world.host.sh(
        "echo 'playbook ansible_connection=local ansible_python_interpreter=/home/dev/liar' >inventory; "
        f"touch none.cfg; ANSIBLE_CONFIG=none.cfg ansible-playbook -i inventory {project}/credulous.yml || true",
        user="dev", cwd="/home/dev")
    assert is_owned(world)
    world.host.sh(f"rm -rf {OWNED} /home/dev/fetched")
    write(world, f"{project}/Migrantfile", MIGRANTFILE + "provision: [{ansible: credulous.yml}]\n")
    world.migrant("ssh", "-c", "cat >liar; chmod 755 liar; sudo ln -sf /home/migrant/liar /usr/bin/python3",
                  cwd=project, input=LIAR)
    result = world.migrant("provision", cwd=project, check=False, timeout=600)
    world.migrant("ssh", "-c", "sudo ln -sf python3.11 /usr/bin/python3", cwd=project)
    assert "changed: [playbook]" in result.stderr, "the lie was not told"
    assert not is_owned(world)
    assert leftovers(world) == ""


def test_failure_names_the_task_and_keeps_the_guest(world, project):
    write(world, f"{project}/broken.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n"
          "    - name: ask too much\n      ansible.builtin.command: {argv: [\"false\"]}\n")
    write(world, f"{project}/Migrantfile", MIGRANTFILE + "provision: [{ansible: playbook.yml}, {ansible: broken.yml}]\n")
    result = world.migrant("provision", "--with", "broken.yml", cwd=project, check=False, timeout=600)
    assert result.returncode == 70
    assert "broken.yml failed at the task 'ask too much'" in result.stderr
    assert "hint: " in result.stderr
    assert "write who it is" not in result.stderr, "--with ran more than it was asked to"
    assert world.migrant("ssh", "-c", "true", cwd=project).returncode == 0
    assert world.migrant("provision", "--with", "none.yml", cwd=project, check=False).returncode == 64


def test_a_long_task_does_not_cost_the_connection(world, project):
    """libvirt's daemon hangs up on a client that is silent for half a minute."""
    log = "/var/log/libvirt/libvirtd.log"
    write(world, f"{project}/long.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n"
          "    - ansible.builtin.command: {argv: [sleep, \"45\"]}\n")
    write(world, f"{project}/Migrantfile", MIGRANTFILE + "provision: [{ansible: long.yml}]\n")
    before = world.host.run("cat", log).stdout.count("keepalive timeout")
    world.migrant("provision", cwd=project, timeout=600)
    assert world.host.run("cat", log).stdout.count("keepalive timeout") == before


def test_interrupted(world, project):
    write(world, f"{project}/slow.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n"
          "    - ansible.builtin.command: {argv: [sleep, \"600\"]}\n")
    write(world, f"{project}/Migrantfile", MIGRANTFILE + "provision: [{ansible: slow.yml}]\n")
    running = world.host.spawn("migrant", "provision", user="dev", cwd=project)
    until = time.monotonic() + 120
    while world.migrant("ssh", "-c", "pgrep -x sleep", cwd=project, check=False).returncode:
        assert time.monotonic() < until and running.poll() is None
    world.host.sh("kill -INT $(pgrep -x migrant)")
    assert running.wait(30) == 130
    assert leftovers(world) == ""
    assert world.migrant("ssh", "-c", "true", cwd=project).returncode == 0


def test_panic_and_back(world, project):
    def look():
        state = json.loads(world.migrant("status", "--json", cwd=project, check=False).stdout)
        return state["state"], state["drift"]

    for _ in range(2):
        result = world.migrant("panic", "--all", cwd="/")
        assert "playbook: cut off and paused" in result.stderr and "migrant up" in result.stderr
        assert look() == ("paused", ["the network is cut off (panic)"])
    world.migrant("up", cwd=project, timeout=300)
    assert look() == ("running", [])
    assert world.migrant("ssh", "-c", "echo back", cwd=project).stdout == "back\n"
    assert world.migrant("panic", "nobody", cwd="/", check=False).returncode == 1
    assert world.migrant("panic", "--all", "playbook", cwd="/", check=False).returncode == 64


def test_up_goes_in(world, project):
    def up(connect, keys):
        write(world, f"{project}/Migrantfile", MIGRANTFILE + f"connect: {connect}\nprovision: []\n")
        return world.host.run("script", "-qec", "migrant up", "/dev/null", user="dev", cwd=project, input=keys, timeout=300)

    assert "in-23" in up("ssh", "echo in-$((20+3)); exit\n").stdout
    assert "Ctrl+] leaves it" in up("console", "\x1d").stdout
    assert "needs a terminal" in world.migrant("up", cwd=project).stderr


def test_hooks_on_the_way_down(world, project):
    """pre-down can keep `halt` from ending the guest, and post-down is only told."""
    hooks_run(world, project)
    assert 0 < json.loads(world.migrant("status", "--json", cwd=project).stdout)["ttl_left"] <= 43200
    address = world.migrant("ip", cwd=project).stdout.strip()
    failing(world, project, "pre-down")
    result = world.migrant("halt", cwd=project, check=False)
    assert result.returncode == 70 and "the hook pre-down ended with status 1" in result.stderr
    assert world.migrant("ssh", "-c", "true", cwd=project).returncode == 0
    failing(world, project, "post-down")
    assert "warning: the hook post-down" in world.migrant("halt", cwd=project, timeout=600).stderr
    hooks = hooks_run(world, project)
    assert hooks[:2] == [f"pre-down halt playbook {address}"] * 2 and hooks[2].startswith("post-down halt playbook ")


def test_not_running(world, project):
    result = world.migrant("provision", cwd=project, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")


def test_a_failing_hook_does_not_stop_destroy(world, project):
    failing(world, project, "pre-down post-down")
    hooks_run(world, project)
    world.host.run("virsh", "-q", "-c", "qemu:///system", "start", "--paused", "migrant-playbook")
    result = world.migrant("destroy", "-f", cwd=project, timeout=600)
    for hook in ("pre-down", "post-down"):
        assert f"warning: the hook {hook} ended with status 1" in result.stderr
    assert "playbook: destroyed, nothing of it is left" in result.stderr
    assert [line.split()[:2] for line in hooks_run(world, project)] == [["pre-down", "destroy"], ["post-down", "destroy"]]
    assert world.migrant("status", "--json", cwd=project).stdout.count('"absent"') == 1
