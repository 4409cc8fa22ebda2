"""Full-screen programs through the terminal filter: what they draw is the same, what reaches further is gone.

The programs run for real on a pseudo-terminal that answers as xterm does; what they print is looked at by a
terminal emulator (pyte), once as it is and once filtered.
"""

import os
import pathlib
import re
import subprocess

import pytest

from terminal import COLUMNS, ROWS, Terminal, show

FORBIDDEN = re.compile(rb"\x1b[PX^_kc]|\x1b\](?![012];|1[01];\?[\x07\x1b])|\x1b\[[0-9;]*[it]|\x1b\[\?[0-9;]*[in]|\x05|\x1b\[>0?q")


def look(screen):
    """Every cell with its colours, and the cursor."""
    return ([[screen.buffer[row][column] for column in range(COLUMNS)] for row in range(ROWS)],
            (screen.cursor.x, screen.cursor.y, screen.cursor.hidden))


@pytest.fixture
def terminal(tmp_path):
    started = []

    def start(*argv):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TERM": "xterm-256color", "LANG": "C.UTF-8",
               "SHELL": "/bin/sh", "PS1": "prompt$ "}
        started.append(Terminal(argv, tmp_path, env))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def filtered(build):
    def run(text, size=4096):
        return subprocess.run([build / "tests/filtertool", str(size)], input=text, capture_output=True, check=True,
                              timeout=600).stdout

    return run


def is_clean(text, filtered):
    """Nothing is left in it that reaches beyond the screen, also when every byte comes by itself."""
    whole = filtered(text)
    assert filtered(text, 1) == whole
    assert not FORBIDDEN.search(re.sub(rb"\x1b\[2[23];0t", b"", whole))


def same_screen(text, filtered):
    """Looked at before the program leaves, for then the filter undoes what it has left. Cut between two sequences,
    wherever reading has stopped."""
    is_clean(text, filtered)
    mark = b"~~MARK~~"
    text = text[:text.rindex(b"\x1b")]
    shown, wanted = show(filtered(text + b"\x18" + mark).split(mark)[0]), show(text)
    assert shown.display == wanted.display
    assert look(shown) == look(wanted)


def test_vim(terminal, filtered, tmp_path):
    (tmp_path / "work.c").write_text("#include <stdio.h>\n\nint main(void)\n{\n\tputs(\"Grüße, 中文\");\n}\n")
    vim = terminal("vim", "-N", "-u", "NONE", "--cmd", "set mouse=a title nocompatible encoding=utf-8 ruler hlsearch", "-c",
                   "syntax on", "work.c")
    vim.wait("#include", "Grüße", "1,1")
    vim.type("/main\r")
    vim.wait("3,5")
    vim.type("oadded line\x1b:vsplit\r")
    vim.wait("added line", "|#include", "work.c [+]")
    assert b"\x1b]" in vim.text and b"\x1b[?1049h" in vim.text and b"\x1b[>c" in vim.text
    assert b"\x1b]11;?" in vim.text and b"\x1b]11;?" in filtered(vim.text)  # it chooses colours by the answer
    same_screen(vim.text, filtered)
    vim.type(":help index\r")
    vim.wait("E149") if not os.path.exists("/usr/share/vim/vim90/doc/index.txt") else vim.wait("index.txt")
    same_screen(vim.text, filtered)


@pytest.fixture
def tmux_socket(tmp_path):
    socket = tmp_path / "socket"
    yield socket
    subprocess.run(["tmux", "-S", socket, "kill-server"], check=False, timeout=600, capture_output=True)


def test_tmux(terminal, filtered, tmux_socket):
    tmux = terminal("tmux", "-S", str(tmux_socket), "-f", "/dev/null", "new-session", "-s", "work", "sh")
    tmux.wait("prompt$", "[work]")
    tmux.type("printf '\\033[1;32mgreen\\033[m and %s\\n' plain; seq 30\r")
    tmux.wait("29", "30")
    tmux.type("\x02%")
    tmux.wait("│")
    tmux.type("printf 'to the clip''board\\033]52;c;ZXZpbA==\\007\\n'; printf '\\033]2;other title\\007'\r")
    tmux.wait("to the clipboard", "other title")
    same_screen(tmux.text, filtered)
    tmux.type("\x02d")
    tmux.wait("[detached")
    is_clean(tmux.text, filtered)


def test_less_and_a_pager_of_colours(terminal, filtered, tmp_path):
    (tmp_path / "text").write_text("".join(f"\x1b[3{n % 8}mline {n}\x1b[m\n" for n in range(200)))
    less = terminal("less", "-R", "text")
    less.wait("line 1", "line 22")
    less.type("G")
    less.wait("line 199")
    less.type("?line 77\r")
    less.wait("line 77")
    same_screen(less.text, filtered)


def test_claude_code(filtered):
    """What Claude Code 2.1.330 printed on a terminal: its start, a command that it completes, other input. Without
    links, and without an answer to what kind of terminal it is on."""
    text = (pathlib.Path(__file__).parent.parent / "golden/terminal/claude-code").read_bytes()
    for sequence in (b"\x1b[?1049h", b"\x1b[?u", b"\x1b[c", b"\x1b[?1003h", b"\x1b]8;", b"\x1b[>0q", b"\x1b[?2031h"):
        assert sequence in text
    assert "/helphello" in "\n".join(show(text).display)
    same_screen(text, filtered)
    passed = filtered(text)
    assert b"\x1b[?u" in passed and b"\x1b[?1003h" in passed
    assert not re.search(rb"\x1b\]8;|\x1b\[>0q|\x1b\[\?2031h", passed)


def test_a_stream_with_everything_in_it(filtered):
    """What a hostile program prints between the lines of an honest one."""
    hostile = [b"\x1b]52;c;Y3VybA==\x07", b"\x1b[21t", b"\x05", b"\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\", b"\x1b]8;;file:///\x1b\\",
               b"\x1b_Gf=24;AAAA\x1b\\", b"\x1b]1337;File=name=eA==:eA==\x07", b"\x1b%@", b"\x1b[?2l", b"\x1b[5i", b"\x1b[3J"]
    honest = [f"line {n} \x1b[1;3{n % 8}mtext\x1b[m\r\n".encode() for n in range(len(hostile))]
    mixed = b"".join(a + b for a, b in zip(honest, hostile))
    assert filtered(mixed) == b"".join(honest) + b"\x1b[m"
