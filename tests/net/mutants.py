#!/usr/bin/python3
"""Takes the rules away one by one and sees whether a test notices. Run when asked: see docs/testing.md.

    mutants.py [-j JOBS] [-q] [TEMPLATE[:LINE]…]      TEMPLATE: a name in templates/, without .nft; all of them by default

A rule that nobody misses is either one that has no test or one that is not needed. The rule is overwritten with
blanks in copies of the programs that render it, so nothing is built and no two runs are in each other's way; a
chain's `policy drop` becomes `policy accept`. First the table of cases.py is played, in sandboxes that run and are
given the rules anew without the one; what it does not miss is left to the tests that are the most likely to notice,
and then (but not with -q) to all others of ring 2. Prints one line per rule as it is known, and at the end those
that were not missed; exit status 1 when there are any. As root.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("MIGRANT_BUILD", SOURCE / "build-dev"))
# What can notice, quickest first.
SUITES = {
    "wire": ["test_frames.py", "test_attacks.py", "test_services.py"],
    "wire6": ["test_ipv6_frames.py", "test_ipv6.py"],
    "gateway": ["test_attacks.py", "test_grants.py", "test_services.py", "test_isolation.py", "test_withdrawal.py",
                "test_network_log.py", "test_keeper.py"],
    "gateway6": ["test_ipv6.py", "test_ipv6_frames.py", "test_withdrawal.py"],
    "host": ["test_host_rules.py", "test_ipv6_host_rules.py", "test_attacks.py", "test_isolation.py", "test_services.py",
             "test_ipv6_host.py", "test_ipv6.py"],
}
RENDERING = ["migrant-hook", "migrant-helper"]
PROGRAMS = ["migrant", "migrant-hook", "migrant-helper", "tests/probe"]
DECLARATIONS = ("type ", "flags ", "auto-merge", "elements ", "size ", "timeout ")


def rules(template):
    """(number, text, mutant) of the lines that hold a rule or a policy; a mutant is as long as its line."""
    lines = (SOURCE / "templates" / f"{template}.nft").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        rule = line.split("#")[0].strip()
        if line.startswith("\t\ttype") and rule.endswith("policy drop;"):
            yield number, line, line[2:].replace("policy drop", "policy accept")
        elif line.startswith("\t\t") and rule and not rule.startswith(DECLARATIONS):
            yield number, line, " " * len(line)


def mutate(directory, template, number, mutant):
    (directory / "tests").mkdir()
    for program in PROGRAMS:
        shutil.copy(BUILD / program, directory / program)
    lines = (SOURCE / "templates" / f"{template}.nft").read_bytes().splitlines(keepends=True)
    old = b"".join(lines)
    lines[number - 1] = mutant.encode() + b"\n"
    for program in RENDERING:
        data = (directory / program).read_bytes()
        assert data.count(old) == 1, f"{program} is not built from {template}.nft as it is"
        (directory / program).write_bytes(data.replace(old, b"".join(lines)))


class Table:
    """The table of cases, in sandboxes that run as long as this."""

    def __enter__(self):
        sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]
        import cases, conftest, lab, test_cases, world
        self.stack = contextlib.ExitStack()
        self.lab = self.stack.enter_context(lab.Lab())
        conftest.install(self.lab, BUILD)
        self.lab.host.run("mkdir", "-m", "711", "/run/migrant", "/run/netns")
        for machine in (self.lab.internet, self.lab.lan, self.lab.host):
            self.lab.serve_http(machine)
        self.world = self.stack.enter_context(world.World(self.lab, cases.POLICIES))
        self.helper, self.cases, self.tests, self.failed = conftest.HELPER, cases, test_cases, lab.Failed
        return self

    def __exit__(self, *_):
        self.use(BUILD)
        self.stack.close()

    def use(self, build):
        """The rules that the programs of @build render."""
        shutil.copy(build / "migrant-helper", self.lab.base / "program")
        self.lab.host.run("install", "-m", "4755", self.lab.base / "program", self.helper)
        for name, sandbox in self.world.sandboxes.items():
            sandbox.apply({"isolate": True, **self.cases.POLICIES[name].get("policy", {})})

    def fails(self):
        table = self.world.table()
        played = self.world.play(table, frames=self.cases.spoofed(self.world.places, self.world.tags["a"]), limit=2)
        try:
            assert not played.passed
            self.tests.nothing_else(played, table)
            self.tests.everything_allowed(played, table)
        except AssertionError:
            return True
        return False

    def notices(self, template, number, mutant):
        with tempfile.TemporaryDirectory(prefix="mutant-") as name:
            mutate(pathlib.Path(name), template, number, mutant)
            try:
                self.use(pathlib.Path(name))
            except self.failed:
                return True  # they cannot be loaded
            return self.fails() and self.fails()  # a second time, as a machine with other work may be late once


def first_failure(build, suites):
    """The first test that fails with the programs in @build, or None."""
    result = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *[HERE / s for s in suites]],
        env=dict(os.environ, MIGRANT_BUILD=str(build)), capture_output=True, text=True)
    last = [l for l in result.stdout.splitlines() if l.startswith(("FAILED", "ERROR"))]
    assert result.returncode == 0 or last, result.stdout + result.stderr
    return last[0].split("::")[-1].split(" - ")[0] if last else None


def noticed_by(template, number, mutant, quick):
    """The test that noticed it, or None."""
    suites = SUITES[template]
    if not quick:
        suites = [*suites, *sorted(p.name for p in HERE.glob("test_*.py") if p.name not in suites)]
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        mutate(pathlib.Path(name), template, number, mutant)
        return first_failure(name, suites)


def say(template, number, line, test):
    print(f"{template}:{number} {line.strip()}\n    {test}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", "--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("-q", "--quick", action="store_true")
    parser.add_argument("places", nargs="*")
    options = parser.parse_args()
    wanted = [(template, *rule) for template in SUITES for rule in rules(template)
              if not options.places or template in options.places or f"{template}:{rule[0]}" in options.places]
    rest, survivors = [], []
    with Table() as table:
        if table.fails():
            sys.exit("the table fails with all rules in place")
        for template, number, line, mutant in wanted:
            if table.notices(template, number, mutant):
                say(template, number, line, "the table")
            else:
                rest.append((template, number, line, mutant))
    # What fails without a mutant notices nothing.
    for suites in {tuple(SUITES[template]) for template, *_ in rest}:
        if failed := first_failure(BUILD, suites):
            sys.exit(f"{failed} fails with all rules in place")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        running = {pool.submit(noticed_by, t, n, mutant, options.quick): (t, n, line) for t, n, line, mutant in rest}
        for future in concurrent.futures.as_completed(running):
            template, number, line = running[future]
            say(template, number, line, future.result() or "SURVIVES")
            if not future.result():
                survivors.append(f"{template}:{number}")
    print(f"{len(wanted)} rules, {len(survivors)} survive: {' '.join(sorted(survivors))}")
    return 1 if survivors or not wanted else 0


sys.exit(main())
