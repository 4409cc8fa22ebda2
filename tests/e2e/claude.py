"""What the tests of the claude-code template have in common: which Claude Code, from where, and whether it is there."""

import json
import shutil
import subprocess
import urllib.request

import pytest

PACKAGE = "@anthropic-ai/claude-code-linux-x64"
VERSION = "2.1.330"  # a certain one: another may look otherwise
MIRROR = "http://deb.debian.org/debian"  # the box's
HOME = "/home/migrant"
TOKEN = "sk-ant-oat01-only-for-this-test"
LIMIT = 300  # for what an emulated guest shows, beside others
# What a first start leaves, after a look at the Internet, the choice of colours and two questions.
ANSWERED = {".claude.json": {"hasCompletedOnboarding": True, "theme": "dark",
                             "projects": {f"{HOME}/workspace": {"hasTrustDialogAccepted": True}}},
            "settings.json": {"skipDangerousModePermissionPrompt": True}}
LOGIN = {"claudeAiOauth": {"accessToken": TOKEN, "refreshToken": TOKEN, "expiresAt": 4102444800000,
                           "scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}}


def registry():
    """What npm of this machine asks."""
    npm = shutil.which("npm")
    found = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, check=False) if npm else None
    return (found.stdout.strip() if found and found.returncode == 0 else "").rstrip("/") or "https://registry.npmjs.org"


def fetch(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()
    except OSError as error:
        pytest.skip(f"this machine reaches no packages to install: {url}: {error}")


def packages():
    """The registry's word about the package; skips where it, or Debian's packages, are out of reach."""
    fetch(f"{MIRROR}/dists/bookworm/InRelease")
    return json.loads(fetch(f"{registry()}/{PACKAGE}/{VERSION}"))
