"""Every policy that is accepted renders to rules that load, and to a configuration that dnsmasq takes."""

import os
import pathlib
import random
import subprocess

import pytest

PROGRAM = pathlib.Path(os.environ.get("MIGRANT_BUILD", pathlib.Path(__file__).parents[2] / "build-dev")) / "tests/load_policies"
SEEDS = [1, 2, 3, random.SystemRandom().randrange(2**32)]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_policies_load(seed):
    print("seed", seed)  # the last one is new every time
    result = subprocess.run([PROGRAM, str(seed), "100"], capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("100 policies with ")
