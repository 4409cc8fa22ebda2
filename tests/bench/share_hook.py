"""What shares add on root's side of `up` and `halt`: the hook and virtiofsd, with the test in the guest's place.

share_hook.py [RUNS]     prints Markdown; milliseconds of wall and of processor time, in turns
"""

import resource
import sys
import time

import measure

for directory in ("lab", "share"):
    sys.path.insert(0, str(measure.TESTS / directory))
import conftest as ring2  # noqa: E402
from lab import Lab  # noqa: E402

MIB = 1 << 20


def install(lab):
    ring2.net.install(lab, measure.BUILD)
    lab.host.run("install", "-m", "755", measure.BUILD / "migrant-virtiofsd", ring2.VIRTIOFSD)
    lab.host.run("mkdir", "-m", "711", "/run/migrant", "/run/netns")


def timed(work):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result, ((time.monotonic() - start) * 1000, processor * 1000)


def one_run(lab, count, found):
    """A sandbox's stages, twice: the images are made, and are there."""
    ring2.forget(lab)
    if count:
        shares = [ring2.share(f"w{i}", size=10240 * MIB) for i in range(count)]
        sandbox = ring2.Sandbox(lab, f"n{count}", *shares).make_project()
    else:
        sandbox = ring2.net.Sandbox(lab, "n0")
    for stage in ["prepare, images made", "prepare, images there"] if count else ["prepare, images there"]:
        found.setdefault((stage, count), []).append(timed(lambda: sandbox.hook("prepare"))[1])
        if count:
            wall, _ = timed(lambda: [sandbox.serve(i) for i in range(count)])[1]
            found.setdefault(("virtiofsd, until it answers", count), []).append((wall, None))  # it goes on
        sandbox.kill()
        found.setdefault(("release", count), []).append(timed(lambda: sandbox.hook("release", "end"))[1])


def main():
    runs, found = int(sys.argv[1]) if len(sys.argv) > 1 else 20, {}
    with Lab() as lab:
        install(lab)
        for _ in range(runs):
            for count in (0, 1, 4):
                one_run(lab, count, found)
    stages = sorted({stage for stage, _ in found})
    print("| stage | " + " | ".join(f"wall, {c} | processor, {c}" for c in (0, 1, 4)) + " |\n" + "|---" * 7 + "|")
    for stage in stages:
        cells = []
        for count in (0, 1, 4):
            for which in (0, 1):
                values = [times[which] for times in found.get((stage, count), []) if times[which] is not None]
                numbers = measure.summary(values) if values else None
                cells.append(f"{numbers['median']:.0f} ({numbers['low']:.0f}–{numbers['high']:.0f})" if numbers else "")
        print(f"| {stage} | " + " | ".join(cells) + " |")
    print(measure.machine())


main()
