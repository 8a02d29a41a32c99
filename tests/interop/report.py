"""How the Python suites say what they checked: one line each, `ok WHAT` or `FAILED WHAT: WHY`, which run.sh counts."""

import os
import sys
import traceback
from contextlib import contextmanager

_failed = []


@contextmanager
def check(what):
    """One check. A failure is reported and does not stop the others."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever went wrong, it is this check that failed
        _failed.append(what)
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = " | ".join(f"{type(error).__name__} {error}".split("\n"))
        _say(f"FAILED {what}: {reason} (line {where.lineno})")
    else:
        _say(f"ok {what}")


def skip(what, reason):
    """A check that cannot be made on this machine."""
    _say(f"SKIP {what}: {reason}")


def _say(line):
    """In one piece, whatever other threads say at the same time."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def equal(actual, expected):
    """Fails with both values when they differ."""
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def finish():
    """Ends the process: with an error if any check failed."""
    sys.exit(1 if _failed else 0)


def setting(name):
    """An environment variable that run.sh sets."""
    return os.environ[name]
