"""Sees what arrives where: tcpdump on one interface of a machine of the lab."""

import subprocess
import time

from lab import Failed, child_of


class Sniffer:
    """with Sniffer(lab.lan, "lan", "host 5.9.1.2") as seen: …; seen.lines() afterwards."""

    def __init__(self, machine, interface, expression=""):
        self.argv = ["tcpdump", "-lnn", "-e", "--immediate-mode", "-i", interface, *expression.split()]
        self.machine = machine

    def __enter__(self):
        self.popen = self.machine.spawn(*self.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 120
        while "listening on" not in self.popen.stderr.readline():
            if self.popen.poll() is not None or time.monotonic() > until:
                raise Failed(f"{self.argv} does not listen")
        self.text = None
        return self

    def __exit__(self, *_):
        time.sleep(0.3)  # what is on its way arrives
        self.machine.run("kill", "-INT", str(inner_pid(self.machine, child_of(self.popen))))
        self.text, _ = self.popen.communicate(timeout=300)

    def lines(self):
        return [line for line in self.text.splitlines() if line]


def inner_pid(machine, pid):
    """The pid that a process has inside the machine's own pid namespace."""
    if "-p" not in machine.flags:
        return pid
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    raise Failed(f"process {pid} has gone")
