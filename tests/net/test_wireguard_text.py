"""Our reading of wg-quick files against wg's and wg-quick's own, in a namespace of its own."""

import base64
import os
import pathlib
import random
import shutil
import subprocess

import pytest

TOOL = pathlib.Path(os.environ.get("MIGRANT_BUILD", pathlib.Path(__file__).parents[2] / "build-dev")) / "tests/wireguard_text"
LINK = "wgcompare"
ROUNDS = 80


@pytest.fixture(scope="module")
def wg():
    """wg(8) in a namespace with one interface; called with its arguments and what it reads."""
    script = f"mount -t tmpfs none /run && exec wireguard-go -f {LINK}"
    server = subprocess.Popen(["unshare", "--mount", "--net", "sh", "-c", script],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def run(*arguments, text=""):
        return subprocess.run(["nsenter", f"--target={server.pid}", "--mount", "--net", "wg", *arguments],
                              input=text, capture_output=True, text=True, timeout=600)
    for line in server.stderr:  # its log; a line of it is an event to look at
        if run("show", LINK).returncode == 0:
            break
    else:
        pytest.fail("wireguard-go did not start")
    yield run
    server.kill()
    server.wait()


def key(rng, clamped=False):
    raw = bytearray(rng.randbytes(32))
    if clamped:  # as WireGuard keeps a private key (RFC 7748 §5)
        raw[0] &= 248
        raw[31] = raw[31] & 127 | 64
    return base64.b64encode(raw).decode()


def prefix(rng):
    if rng.random() < .5:
        return f"{rng.randint(1, 223)}.{rng.randint(0, 3)}.{rng.randint(0, 255)}.{rng.randint(0, 255)}/{rng.choice([0, 1, 8, 15, 24, 31, 32])}"
    return f"fd{rng.randint(0, 3):02x}:{rng.randint(0, 65535):x}::{rng.randint(0, 65535):x}/{rng.choice([0, 3, 16, 64, 127, 128])}"


def bare(text, rng):
    """A prefix of full length may be written without it."""
    address, _, length = text.partition("/")
    full = length == ("128" if ":" in address else "32")
    return address if full and rng.random() < .5 else text


def cased(word, rng):
    return "".join(rng.choice((c.lower(), c.upper())) for c in word) if rng.random() < .5 else word


def line(name, value, rng):
    space = [rng.choice(["", " ", "\t", "  "]) for _ in range(4)]
    comment = rng.choice(["", "", "# a comment", "#= [Peer]"])
    return f"{space[0]}{cased(name, rng)}{space[1]}={space[2]}{value}{space[3]}{comment}"


def lists(name, values, rng):
    """The values in one line or in several."""
    values = list(values)
    while values:
        taken, values = values[:(count := rng.randint(1, len(values)))], values[count:]
        yield line(name, rng.choice([",", ", ", " ,"]).join(taken), rng)


def peer(rng, prefixes):
    lines = [line("PublicKey", key(rng), rng)]
    if rng.random() < .5:
        lines.append(line("PresharedKey", key(rng), rng))
    if rng.random() < .8:
        host = rng.choice(["192.0.2.7", "[2001:db8::7]"])
        lines.append(line("Endpoint", f"{host}:{rng.randint(1, 65535)}", rng))
    if rng.random() < .6:
        lines.append(line("PersistentKeepalive", rng.choice(["off", "0", "25", "65535"]), rng))
    lines += lists("AllowedIPs", [bare(p, rng) for p in prefixes], rng)
    return lines


def draw(rng):
    """A random file that is right, and what wg-quick itself keeps of it."""
    addresses = ["10.8.0.2/24", "fd00:8::2/64", "10.9.0.1/32"][:rng.randint(1, 3)]
    dns = ["10.8.0.1", "fd00:8::1", "9.9.9.9"][:rng.randint(0, 3)]
    mtu = rng.choice([None, "1280", "1420"])
    port = rng.choice([None, "51820", "1024"])
    top = [line("PrivateKey", key(rng, clamped=True), rng), *lists("Address", [bare(a, rng) for a in addresses], rng),
           *lists("DNS", dns + ["corp.example"] * bool(dns), rng)]
    top += [line("MTU", mtu, rng)] if mtu else []
    top += [line("ListenPort", port, rng)] if port else []
    top += [line("Table", "off", rng), line("SaveConfig", "false", rng)] if rng.random() < .3 else []
    pool = [prefix(rng) for _ in range(rng.randint(2, 12))]
    sections = [[cased("[Interface]", rng), *rng.sample(top, len(top))]]
    for number in range(rng.randint(1, 4)):
        lines = peer(rng, ["0.0.0.0/0", "::/0"] if not number else rng.sample(pool, rng.randint(0, len(pool))))
        sections.append([cased("[Peer]", rng), *rng.sample(lines, len(lines))])
    if not any("endpoint" in entry.lower() for section in sections for entry in section):
        sections[-1].append("Endpoint = 192.0.2.9:9")
    if rng.random() < .3:
        sections.append(sections.pop(0))
    ending = rng.choice(["\n", "\r\n"])
    text = ending.join(entry for section in sections for entry in [*section, rng.choice(["", "# end"])])
    return text + rng.choice(["", ending]), addresses, dns, mtu, port


def ours(what, text):
    return subprocess.run([TOOL, what], input=text, capture_output=True, text=True, timeout=600)


def read_back(wg, text):
    """What wg says after having been given the text: of the interface, and of each peer."""
    said = wg("setconf", LINK, "/dev/stdin", text=text)
    assert said.returncode == 0, said.stderr
    top, *peers = wg("show", LINK, "dump").stdout.splitlines()
    fields = [entry.split("\t") for entry in peers]
    private, public, port, _ = top.split("\t")
    return (private, public, port), {f[0]: [f[1], f[2], sorted(f[3].split(",")), f[7]] for f in fields}


def strip(text, tmp_path):
    """wg-quick's own idea of what wg is to get."""
    file = tmp_path / "compare.conf"
    file.write_text(text, newline="")
    file.chmod(0o600)
    return subprocess.run(["wg-quick", "strip", file], check=True, capture_output=True, text=True, timeout=600).stdout


def values(canonical, name):
    return [entry.split(" = ")[1] for entry in canonical.splitlines() if entry.startswith(f"{name} = ")]


@pytest.mark.skipif(not shutil.which("wg-quick"), reason="wireguard-tools is not installed")
def test_we_read_a_file_as_wg_does(wg, tmp_path):
    rng = random.Random(20261122)
    for _ in range(ROUNDS):
        text, addresses, dns, mtu, port = draw(rng)
        setconf = ours("setconf", text)
        assert setconf.returncode == 0, setconf.stderr + text
        (private, public, listen), peers = read_back(wg, setconf.stdout)
        (wanted_private, wanted_public, wanted_listen), wanted_peers = read_back(wg, strip(text, tmp_path))
        assert (private, public) == (wanted_private, wanted_public), text
        assert peers == wanted_peers, text
        assert port is None or listen == wanted_listen == port, text
        canonical = ours("canonical", text).stdout
        assert sorted(values(canonical, "Address")) == sorted(addresses), text
        assert sorted(values(canonical, "DNS")) == sorted(dns), text
        assert values(canonical, "MTU") == [mtu] * bool(mtu), text
        assert ours("canonical", canonical).stdout == canonical, text


WRONG = [
    ("PrivateKey", "x", 3), ("ListenPort", "x", 3), ("PublicKey", "AAAA", 6), ("PresharedKey", "*" * 44, 7),
    ("AllowedIPs", "10.0.0.0/33", 7), ("AllowedIPs", "10.0.0.0/8,,::/0", 7), ("AllowedIPs", "::/129", 7),
    ("Endpoint", "192.0.2.1", 7), ("Endpoint", "[2001:db8::1]", 7),
    ("PersistentKeepalive", "65536", 7), ("PersistentKeepalive", "-1", 7), ("Nonsense", "1", 7),
]


@pytest.mark.parametrize("name, value, number", WRONG)
def test_what_wg_refuses_we_refuse(wg, tmp_path, name, value, number):
    rng = random.Random(name + value)
    entries = [("[Interface]", ""), ("Address", "10.8.0.2"), ("PrivateKey", key(rng, clamped=True)), ("ListenPort", "51820"),
               ("[Peer]", ""), ("PublicKey", key(rng))]
    kept = [(n, v) for n, v in entries if n != name]
    at = number - 1
    kept.insert(at, (name, value))
    text = "".join(f"{n} = {v}\n" if v else f"{n}\n" for n, v in kept)
    assert wg("setconf", LINK, "/dev/stdin", text=strip(text, tmp_path)).returncode != 0
    answer = ours("canonical", text)
    assert answer.returncode == 65 and answer.stderr.startswith(f"stdin:{at + 1}: "), answer.stderr
    assert value not in answer.stderr
