# Stands for python3-requests until something is fetched. cloud-init imports it in each of its stages
# and, with a local seed, uses it in none; under emulation that import takes half of a stage's time.
import importlib
import os
import sys

_real = None


class Response:
    pass


class Timeout(Exception):
    pass


def _load():
    global _real
    if _real is None:
        here = os.path.dirname(os.path.abspath(__file__))
        sys.path[:] = [path for path in sys.path if path != here]
        del sys.modules["requests"]
        _real = importlib.import_module("requests")
    return _real


class _Exceptions:
    def __getattr__(self, name):
        return getattr(_load().exceptions, name)


exceptions = _Exceptions()


def __getattr__(name):
    return getattr(_load(), name)
