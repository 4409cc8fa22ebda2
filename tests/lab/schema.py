"""JSON documents held against docs/json.md: every member that it names, with its type, and no other."""

import pathlib
import re

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs/json.md").read_text()
PLAIN = {"text": str, "number": (int, float), "boolean": bool}


def members(name):
    """{member: (type, whether it may be null, whether it may be missing)} of that section."""
    section = re.search(rf"(?m)^##+ {re.escape(name)}\n(.*?)(?=^##|\Z)", PAGE, re.S)
    assert section, f"docs/json.md has no section '{name}'"
    rows = re.findall(r"(?m)^\| `([^`]+)` \| (.+?) \|", section[1])
    assert rows, f"docs/json.md names no member of '{name}'"
    found = members("box list") if name == "box info" else {}
    for member, kind in rows:
        optional = kind.endswith(", optional")
        kind = kind.removesuffix(", optional")
        found[member] = (kind.removesuffix(" or null"), kind.endswith(" or null"), optional)
    return found


def check_value(value, kind, where):
    if kind.startswith("list of "):
        assert isinstance(value, list), (where, value)
        for item in value:
            check_value(item, kind.removeprefix("list of "), where)
    elif kind.startswith("`"):
        check(value, kind.strip("`"))
    else:
        assert isinstance(value, PLAIN[kind]) and (kind == "boolean") == isinstance(value, bool), (where, value)


def check(document, name):
    """One object of that section; returns it."""
    wanted = members(name)
    assert isinstance(document, dict), (name, document)
    assert set(document) <= set(wanted), f"docs/json.md lacks of '{name}': {set(document) - set(wanted)}"
    for member, (kind, nullable, optional) in wanted.items():
        if member not in document:
            assert optional, f"'{name}' has no '{member}'"
        elif document[member] is None:
            assert nullable, f"'{member}' of '{name}' is null"
        else:
            check_value(document[member], kind, f"{name}.{member}")
    return document
