"""A program on a pseudo-terminal: what it prints is kept, and what a terminal would show of it can be asked."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pyte

ROWS, COLUMNS = 24, 80
LIMIT = 300
ANSWERS = [(rb"\x1b\[0?c", b"\x1b[?64;1;2;6;22c"), (rb"\x1b\[>0?c", b"\x1b[>41;354;0c"), (rb"\x1b\[6n", b"\x1b[1;1R"),
           (rb"\x1b\]11;\?(\x07|\x1b\\)", b"\x1b]11;rgb:0000/0000/0000\x1b\\")]
# What the emulator does not know.
STRINGS = re.compile(rb"\x1b[PX^_k].*?(\x1b\\|\x07)|\x1b\]\d[^\x07\x1b]*(\x07|\x1b\\)|\x1b\[[>?=<][^@-~]*[@-gi-km-~]", re.S)


def show(text):
    """The emulator's screen after this text."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(STRINGS.sub(b"", text))
    return screen


class Terminal:
    def __init__(self, argv, cwd=None, env=None, limit=LIMIT):
        self.text, self.answered, self.status, self.limit = b"", 0, None, limit
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            for number in (signal.SIGINT, signal.SIGQUIT):  # a shell that starts us in the background has them ignored
                signal.signal(number, signal.SIG_DFL)
            os.chdir(cwd or "/")
            os.execvpe(argv[0], [str(word) for word in argv], env if env is not None else os.environ)
        self.resize(ROWS, COLUMNS)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self):
        """How the terminal is set, but for the flag that the kernel sets by itself."""
        return [field & ~0o40000 if index == 3 else field for index, field in enumerate(termios.tcgetattr(self.fd))]

    def read(self):
        """Takes what there is and answers as xterm does. False at the end."""
        if not select.select([self.fd], [], [], 1)[0]:
            return True
        try:
            got = os.read(self.fd, 65536)
        except OSError:  # the last one has closed it
            return False
        self.text += got
        new, self.answered = self.text[self.answered:], len(self.text)
        for pattern, reply in ANSWERS:
            for _ in re.findall(pattern, new):
                os.write(self.fd, reply)
        return bool(got)

    def until(self, is_reached, what):
        limit = time.monotonic() + self.limit
        while not is_reached():
            assert time.monotonic() < limit and self.read(), f"no {what}:\n{self.text!r}"

    def wait(self, *wanted):
        """Until the screen shows all these."""
        self.until(lambda: all(word in "\n".join(show(self.text).display) for word in wanted), wanted)

    def wait_text(self, pattern):
        """Until the bytes have it; forgets what came before its end."""
        self.until(lambda: re.search(pattern, self.text), pattern)
        self.text = self.text[re.search(pattern, self.text).end():]
        self.answered = len(self.text)

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Waits for the program's end: its status, negative for a signal."""
        limit = time.monotonic() + self.limit
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            else:
                self.read()
            assert time.monotonic() < limit, f"it does not end:\n{self.text!r}"
        while select.select([self.fd], [], [], 0)[0] and self.read():
            pass
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)
