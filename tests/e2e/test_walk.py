"""A newcomer's walk: every code block of docs/getting-started.md, and the tour of README.md, typed into one shell, in order."""

import re

import pytest

from lab import SOURCE
from terminal import Terminal

PROMPT = r"<(\d+)>\$ "
GUEST = r"\w+@[\w-]+:[^$ ]*\$ "
TUNNEL = r".*Ctrl-C ends it\n"
SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]")
BOOT = 500  # seconds, on a busy machine without KVM

# What is not typed, and why.
LEFT_OUT = {
    "getting-started.md": {
        "./quickstart": "installs packages and builds a box: test_quickstart.py",
    },
    "README.md": {
        "./quickstart": "as above",
        "./quickstart test": "is what runs this test",
        "migrant init": "there is a Migrantfile already, by the other page",
        "migrant reload": "boots the guest again: test_layers.py",
        "migrant snapshot save ready --memory": "is on the other page",
        "migrant suspend": "writes its memory once more: test_snapshots.py",
        "migrant resume": "as above",
        "migrant reset": "boots the guest again: test_snapshots.py",
        "migrant fork try -n 3": "boots three guests: test_snapshots.py, many_forks.py",
        "sudo migrant setup --remove": "the lab is set up for all tests: test_setup.py",
        "sudo xargs rm -v < build/install_manifest.txt": "as above",
        "sudo rm -r /var/lib/libvirt/images/migrant": "as above",
    },
}


def blocks(page):
    """The indented code blocks of a page, each a list of lines."""
    text = (SOURCE / ("README.md" if page == "README.md" else f"docs/{page}")).read_text()
    return [re.sub("^    ", "", block, flags=re.M).splitlines() for block in re.findall(r"(?:^    .*\n)+", text, re.M)]


def shape(shown):
    """A pattern for a line of the page: numbers are any numbers, … is anything."""
    return ".*".join(re.sub(r"\d+", r"\\d+", re.escape(part)) for part in shown.split("…"))


class Shell:
    """A shell as a user has it; what it shows is text without what only draws."""

    def __init__(self, lab):
        env = {"TERM": "xterm", "LANG": "C.UTF-8", "PS1": "<$?>$ "}
        self.terminal = Terminal(lab.host.argv(["bash", "--norc", "--noprofile", "-i"], "dev", "/home/dev", env), limit=BOOT)
        self.terminal.resize(50, 200)
        self.terminal.type("echo ready\n")  # after which it has seen its size and draws no prompt twice
        self.wait(rf"ready\n{PROMPT}")

    def seen(self):
        lines = SEQUENCES.sub("", self.terminal.text.decode(errors="replace")).split("\n")
        return "\n".join(line.rstrip("\r").split("\r")[-1] for line in lines)

    def wait(self, prompt):
        """Until what is shown ends with a line like that; the lines before it, and the prompt."""
        at_end = re.compile(rf"(?:\A|\n)({prompt})\Z")
        self.terminal.until(lambda: at_end.search(self.seen()), prompt)
        seen = self.seen()
        found = at_end.search(seen)
        self.terminal.text, self.terminal.answered = b"", 0
        return seen[:found.start()].split("\n"), found[1]

    def type(self, line, prompt=PROMPT):
        """The line's output, without its echo."""
        self.terminal.type(line if line == "\x03" else line + "\n")
        output, last = self.wait(prompt)
        return output[1:], last


def check(command, shown, output):
    """The lines that are shown, in order; others only where … stands."""
    pattern = "".join("(?:.*\n)*?" if line == "…" else shape(line) + "\n" for line in shown)
    is_so = re.fullmatch(pattern, "".join(line + "\n" for line in output)) is not None
    assert is_so, f"{command}\nshows\n" + "\n".join(output) + "\nnot\n" + "\n".join(shown)


def split(block):
    """[command, whether it is typed in the guest, lines shown]."""
    steps = []
    for line in block:
        typed = re.match(rf"(\$ |{GUEST})(.*)", line)
        if typed:
            steps.append([typed[2], typed[1] != "$ ", []])
        else:
            steps[-1][2].append(line)
    return steps


def next_prompt(steps, index):
    following = steps[index + 1] if index + 1 < len(steps) else None
    return GUEST if following and following[1] else PROMPT


def walk(shell, block):
    steps = split(block)
    for index, (command, _, shown) in enumerate(steps):
        question = re.fullmatch(r"(.*\? \[y/N\] )y", shown[0]) if shown else None
        if question:
            shell.type(command, shape(question[1]))
            shown, command = shown[1:], "y"
        output, prompt = shell.type(command, next_prompt(steps, index))
        assert not prompt.startswith("<") or prompt == "<0>$ ", (command, prompt, output)
        if shown:
            check(command, shown, output)


@pytest.fixture(scope="module")
def shell(world):
    shell = Shell(world)
    yield shell
    world.migrant("destroy", "-f", "--shares", cwd="/home/dev/my-project", check=False)
    shell.terminal.close()


def commands(page):
    """Each block that is to be typed."""
    left = dict(LEFT_OUT[page])
    for block in blocks(page):
        kept = [line for line in block if not left.pop(re.sub(r"\s+#.*", "", line), None)]
        if kept:
            yield kept
    assert not left, f"{page} has no such lines: {left}"


PAGE = list(commands("getting-started.md"))


def test_getting_started(shell):
    for block in PAGE[:-1]:
        walk(shell, block)


# What waits for its user: until which last line, and what is typed then.
INTERACTIVE = {"migrant ssh": (GUEST, "exit"), "migrant tunnel 3000": (TUNNEL, "\x03"), "migrant destroy": (r".*\[y/N\] ", "y")}


def test_the_tour(shell):
    shell.type("echo notes >notes.txt")
    for line in [line for block in commands("README.md") for line in block]:
        command = re.sub(r"\s+#.*", "", line)
        print(command)
        if command in INTERACTIVE:
            prompt, answer = INTERACTIVE[command]
            shell.type(command, prompt)
            output, prompt = shell.type(answer)
        else:
            output, prompt = shell.type(command)
        assert prompt in ("<0>$ ", "<130>$ "), (command, prompt, output)


def test_the_end(shell):
    walk(shell, PAGE[-1])
    assert "does not exist" in "\n".join(shell.type("migrant destroy -f")[0])
