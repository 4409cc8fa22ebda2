"""What the documentation says against what there is: links, exit codes, commands, the manual. Prints every difference."""

import pathlib
import re
import shlex
import subprocess
import sys

source = pathlib.Path(sys.argv[1])
program = sys.argv[2]
pages = [source / "README.md", *sorted((source / "docs").glob("*.md"))]
code = "\n".join(path.read_text() for path in sorted((source / "src").glob("**/*.[ch]")))
wrong = []

for page in pages:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        if not (page.parent / link).exists():
            wrong.append(f"{page.name}: a link leads to {link}, which does not exist")

numbers = dict(re.findall(r"#define\s+(EX_[A-Z]+)\s+(\d+)", pathlib.Path("/usr/include/sysexits.h").read_text()))
numbers["EXIT_STATE"] = re.search(r"#define EXIT_STATE (\d+)", code)[1]
used = set(re.findall(r"\b(EX_[A-Z]+|EXIT_STATE)\b", code)) - {"EX_OK"}
table = dict((name, number) for number, name in
             re.findall(r"^\| (\d+) \| (EX\w+) \|", (source / "docs/exit-codes.md").read_text(), re.M))
for name in sorted(used | set(table)):
    if name not in table:
        wrong.append(f"exit-codes.md does not list {name}")
    elif name not in used:
        wrong.append(f"exit-codes.md lists {name}, which no code uses")
    elif table[name] != numbers[name]:
        wrong.append(f"exit-codes.md: {name} is {numbers[name]}, not {table[name]}")

help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
commands = set(re.findall(r"^  ([a-z][a-z-]*) ", help_text, re.M))
for page in pages:
    text = "\n".join(line for line in page.read_text().splitlines() if "not built yet" not in line)
    for command in re.findall(r"(?:`|^    (?:\$ )?(?:sudo )?)migrant ([a-z][a-z-]*)", text, re.M):
        if command not in commands:
            wrong.append(f"{page.name}: there is no command 'migrant {command}'")

manual = pathlib.Path(sys.argv[3])
for page in ("migrant.1", "migrantfile.5"):
    done = subprocess.run(["groff", "-man", "-Kutf8", "-Tutf8", "-ww", manual / page], capture_output=True, text=True, check=False)
    wrong += [f"{page}: {line}" for line in done.stderr.splitlines()]
    shown = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    keys = re.findall(r"(?m)^\| `([a-z.-]+)` \|", (source / "docs/migrantfile.md").read_text())
    for word in [f"migrant {command}" for command in commands] if page == "migrant.1" else keys:
        if not re.search(rf"(?m)^ +{re.escape(word)}\b", shown):
            wrong.append(f"{page} has nothing of '{word}'")

# Each command line of a page as far as the parser reads it: with --help in front of what is the guest's.
for page in pages:
    lines = re.findall(r"^    (?:\$ )?(?:sudo )?(migrant [a-z].*)$", page.read_text(), re.M)
    for line in lines:
        words = shlex.split(line, comments=True)
        end = next((i for i, word in enumerate(words) if word == "--" or word[0] in "|<>;"), len(words))
        done = subprocess.run([program, *words[1:end], "--help"], capture_output=True, text=True, check=False)
        if done.returncode:
            wrong.append(f"{page.name}: '{line}': {done.stderr.strip()}")

print("\n".join(sorted(set(wrong))) or f"{len(pages)} pages, {len(table)} exit codes, {len(commands)} commands")
sys.exit(1 if wrong else 0)
