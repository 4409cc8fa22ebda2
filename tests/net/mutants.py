#!/usr/bin/python3
"""Takes the rules away one by one and sees whether a test notices. Run when asked: see docs/testing.md.

    mutants.py [TEMPLATE[:LINE]…]      TEMPLATE: wire, gateway, host, wire6, gateway6; all of them by default

A rule that nobody misses is either one that has no test or one that is not needed. The rule is overwritten with
blanks in copies of migrant-hook and migrant-helper, so nothing is built. Prints one line per rule, and at the end those that were
not missed; exit status 1 when there are any. As root.
"""

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
    "wire": ["test_frames.py", "test_ipv6_frames.py", "test_attacks.py", "test_services.py", "test_isolation.py"],
    "gateway": ["test_attacks.py", "test_services.py", "test_isolation.py", "test_frames.py", "test_grants.py", "test_withdrawal.py",
                "test_ipv6.py"],
    "host": ["test_host_rules.py", "test_ipv6_host_rules.py", "test_attacks.py", "test_isolation.py", "test_ipv6.py", "test_services.py"],
    "wire6": ["test_ipv6_frames.py", "test_ipv6.py"],
    "gateway6": ["test_ipv6.py", "test_ipv6_frames.py"],
}
RENDERING = ["migrant-hook", "migrant-helper"]
PROGRAMS = ["migrant", "migrant-hook", "migrant-helper", "tests/probe"]


def rules(template):
    """(number, text, mutant) of the lines that hold a rule or a policy; a mutant is as long as its line."""
    lines = (SOURCE / "templates" / f"{template}.nft").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        rule = line.split("#")[0].strip()
        if line.startswith("\t\ttype") and rule.endswith("policy drop;"):
            yield number, line, line[2:].replace("policy drop", "policy accept")
        elif line.startswith("\t\t") and rule and not rule.startswith(("type ", "flags ", "auto-merge", "elements ")):
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


def noticed_by(template, number, mutant):
    """The test that noticed it, or None."""
    with tempfile.TemporaryDirectory() as name:
        mutate(pathlib.Path(name), template, number, mutant)
        result = subprocess.run(
            ["/usr/bin/python3", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *[HERE / s for s in SUITES[template]]],
            env=dict(os.environ, MIGRANT_BUILD=name), capture_output=True, text=True)
    last = [l for l in result.stdout.splitlines() if l.startswith(("FAILED", "ERROR"))]
    assert result.returncode == 0 or last, result.stdout + result.stderr
    return last[0].split("::")[-1].split(" - ")[0] if last else None


def main(wanted):
    survivors = []
    for template in SUITES:
        for number, line, mutant in rules(template):
            place = f"{template}:{number}"
            if wanted and template not in wanted and place not in wanted:
                continue
            test = noticed_by(template, number, mutant)
            print(f"{place} {line.strip()}\n    {test or 'SURVIVES'}", flush=True)
            if not test:
                survivors.append(place)
    print(f"{len(survivors)} survive: {' '.join(survivors)}")
    return 1 if survivors else 0


sys.exit(main(sys.argv[1:]))
