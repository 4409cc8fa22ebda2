"""Migrant in migrant: the parts of ring 3 that are used here as well."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
