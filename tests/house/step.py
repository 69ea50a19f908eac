#!/usr/bin/env python3
"""Runs one step of `make test` and ends it with a line `N passed, N failed`.

    step.py NAME COMMAND [ARGUMENT]...

Passes the output on. Where the command prints results of Rust tests, those are counted; any other command
counts as one. The exit status is 0 only if nothing failed.
"""

import re
import subprocess
import sys
import time

RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed")


def main() -> int:
    name, *command = sys.argv[1:]
    print(f"=== {name}: {' '.join(command)}", flush=True)
    began = time.monotonic()
    passed = failed = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            if counts := RESULT.match(line):
                passed += int(counts[1])
                failed += int(counts[2])
    if process.returncode == 0 and passed + failed == 0:
        passed = 1
    if process.returncode != 0 and failed == 0:
        failed = 1
    print(f"=== {name} took {time.monotonic() - began:.0f} s\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
