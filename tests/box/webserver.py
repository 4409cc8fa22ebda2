"""An HTTP server that serves a directory, and misbehaves below /bad/: webserver.py DIRECTORY PORT"""

import http.server
import os
import sys


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if not self.path.startswith("/bad/"):
            return super().do_GET()
        what, _, name = self.path.removeprefix("/bad/").partition("/")
        getattr(self, "bad_" + what)(name)

    def answer(self, status, **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()

    def body(self, name):
        with open(os.path.join(self.directory, name), "rb") as file:
            return file.read()

    def bad_loop(self, name):
        self.answer(302, Location=self.path)

    def bad_moved(self, name):
        self.answer(302, Location="/" + name)

    def bad_tofile(self, name):
        self.answer(302, Location=f"file://{self.directory}/{name}")

    def bad_short(self, name):
        body = self.body(name)
        self.answer(200, Content_Length=str(len(body)))
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def bad_cut(self, name):
        body = self.body(name)
        self.answer(200)
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def bad_huge(self, name):
        self.answer(200, Content_Length=str(1 << 40))

    def bad_broken(self, name):
        self.answer(500)

    def bad_slow(self, name):
        body = self.body(name)
        self.answer(200, Content_Length=str(len(body)))
        self.wfile.write(body[:1000])
        self.wfile.flush()
        sys.stdin.read()  # until the test ends

    def log_message(self, *_):
        pass


directory, port = sys.argv[1:]
http.server.ThreadingHTTPServer(
    ("", int(port)), lambda *a: Handler(*a, directory=directory)).serve_forever()
