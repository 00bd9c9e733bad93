# SPDX-License-Identifier: LGPL-2.1-or-later
"""TAP for the tests that are written in Python: every test_* function of a module is one test."""

import os
import subprocess
import sys
import traceback

SOURCE = os.environ["CVS_SOURCE_ROOT"]
BUILD = os.environ["CVS_BUILD_ROOT"]


class Skip(Exception):
    """Raised by a test that cannot run here, with the reason."""


def source(*parts):
    return os.path.join(SOURCE, *parts)


def build(*parts):
    return os.path.join(BUILD, *parts)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def call(*args, **kwargs):
    """Runs a program: (exit code, stdout and stderr as one text)."""
    try:
        done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60, **kwargs)
    except FileNotFoundError:
        raise Skip(f"{args[0]} is not installed") from None
    return done.returncode, done.stdout


def same(seen, wanted, what):
    assert seen == wanted, f"{what}: {seen!r}, wanted {wanted!r}"


def main(namespace):
    tests = [(name, item) for name, item in namespace.items() if name.startswith("test_")]
    failed = False
    print(f"1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        title = name.removeprefix("test_").replace("_", "-")
        try:
            test()
            print(f"ok {number} {title}")
        except Skip as skip:
            print(f"ok {number} {title} # SKIP {skip}")
        except Exception:
            failed = True
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} {title}")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
