"""Ansible against a real guest that cannot be trusted, on a host whose own configuration is hostile, too."""

import time

import pytest

MIGRANTFILE = "box: debian-12\ncpus: 1\nmemory: 768M\ndisk: 4G\n"

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
    world.migrant("up", cwd=path, timeout=900)
    yield path
    world.migrant("destroy", "-f", cwd=path, check=False, timeout=600)


def test_first_up_has_run_it(world, project):
    assert world.migrant("ssh", "-c", "cat /etc/provisioned", cwd=project).stdout == "playbook Debian\n"
    assert not is_owned(world)
    assert leftovers(world) == ""


def test_again_with_traps_in_the_environment(world, project):
    result = world.migrant("provision", cwd=project, timeout=600, env={
        "ANSIBLE_CONFIG": f"{project}/ansible.cfg", "ANSIBLE_SSH_ARGS": f"-o ProxyCommand='touch {OWNED}'",
        "ANSIBLE_CALLBACK_PLUGINS": "/home/dev/plugins", "SSH_AUTH_SOCK": "/run/nowhere",
        "PYTHONPATH": "/home/dev/plugins"})
    assert "failed=0" in result.stderr and "TASK [write who it is]" in result.stderr
    assert result.stdout == ""
    assert not is_owned(world)


def test_facts_are_text(world, project):
    """A guest that answers with a template and control characters gets them printed, escaped."""
    world.migrant("ssh", "-c", "sudo mkdir -p /etc/ansible/facts.d; sudo tee /etc/ansible/facts.d/evil.fact >/dev/null",
                  cwd=project, input=EVIL_FACT)
    result = world.migrant("provision", cwd=project, timeout=600)
    assert "lookup('pipe'" in result.stderr
    assert "\x1b" not in result.stderr and "\x07" not in result.stderr
    assert not is_owned(world)


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


def test_not_running(world, project):
    world.migrant("halt", cwd=project, timeout=600)
    result = world.migrant("provision", cwd=project, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
