"""Both ends of connections, in two machines, for tests of what becomes of open ones."""

import contextlib
import pathlib
import queue
import subprocess
import threading

from lab import stop

HERE = pathlib.Path(__file__).resolve().parent


class End:
    """One flow.py; hears() waits for what it prints."""

    def __init__(self, machine, *arguments):
        self.popen = machine.spawn("/usr/bin/python3", HERE / "flow.py", *arguments, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.popen.stdout:
            self.lines.put(line.rstrip("\n"))

    def hears(self, seconds=60):
        """The next line, or None."""
        try:
            return self.lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def says(self, text):
        """To an end that has closed already, nothing: hears() tells why."""
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.write(text + "\n")
            self.popen.stdin.flush()


@contextlib.contextmanager
def flow(guest, server, protocol, address, port, through=None):
    """A connection of the guest with a server at @address; @through: what the guest connects to instead."""
    target = through or (address, port)
    far = End(server, "accept", protocol, address, str(port))
    near = None
    try:
        assert far.hears() == "ready"
        near = End(guest, "open", protocol, target[0], str(target[1]))
        assert near.hears() == "connected"
        assert far.hears() == "connected"
        yield near, far
    finally:
        for end in (near, far):
            if end:
                stop(end.popen)


def still_works(near, far, text):
    """Both directions, the far end first: an idle connection into which the server sends."""
    far.says(f"far {text}")
    assert near.hears() == f"got far {text}"
    near.says(f"near {text}")
    assert far.hears() == f"got near {text}"
