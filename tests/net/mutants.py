#!/usr/bin/python3
"""Takes the rules away one by one and sees whether a test notices. Run when asked: see docs/testing.md.

    mutants.py [-j JOBS] [-q] [TEMPLATE[:LINE]…]      TEMPLATE: a name in templates/, without .nft; all of them by default

A rule that nobody misses is either one that has no test or one that is not needed. The rule is overwritten with
blanks in copies of the programs that render it, so nothing is built and no two runs are in each other's way; a
chain's `policy drop` becomes `policy accept`. First those tests run that are the most likely to notice, then (but
not with -q) all others of ring 2. Prints one entry per rule, and at the end those that were not missed; exit
status 1 when there are any. As root.
"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("MIGRANT_BUILD", SOURCE / "build-dev"))
TABLE = "test_cases.py::test_the_table"
# What can notice, quickest first.
SUITES = {
    "wire": ["test_frames.py", TABLE, "test_attacks.py", "test_services.py"],
    "wire6": ["test_ipv6_frames.py", TABLE, "test_ipv6.py"],
    "gateway": [TABLE, "test_attacks.py", "test_grants.py", "test_services.py", "test_isolation.py", "test_withdrawal.py",
                "test_network_log.py", "test_keeper.py"],
    "gateway6": [TABLE, "test_ipv6.py", "test_ipv6_frames.py", "test_withdrawal.py"],
    "host": [TABLE, "test_host_rules.py", "test_ipv6_host_rules.py", "test_attacks.py", "test_isolation.py", "test_services.py",
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", "--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("-q", "--quick", action="store_true")
    parser.add_argument("places", nargs="*")
    options = parser.parse_args()
    wanted = [(template, *rule) for template in SUITES for rule in rules(template)
              if not options.places or template in options.places or f"{template}:{rule[0]}" in options.places]
    # What fails without a mutant notices nothing.
    for suites in {tuple(SUITES[template]) for template, *_ in wanted}:
        if failed := first_failure(BUILD, suites):
            sys.exit(f"{failed} fails with all rules in place")
    survivors = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda w: noticed_by(w[0], w[1], w[3], options.quick), wanted)
        for (template, number, line, _), test in zip(wanted, found):
            print(f"{template}:{number} {line.strip()}\n    {test or 'SURVIVES'}", flush=True)
            if not test:
                survivors.append(f"{template}:{number}")
    print(f"{len(wanted)} rules, {len(survivors)} survive: {' '.join(survivors)}")
    return 1 if survivors or not wanted else 0


sys.exit(main())
