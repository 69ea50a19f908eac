#!/usr/bin/env python3
"""Runs the tests that need a whole server: official SDKs, kill -9, and the golden scenarios.

    tests/run.py setup  [--only LANG]...        what the tests need: virtual environment, packages, builds; LANG may
                                                be `browser` too
    tests/run.py sdk    [--only LANG]...        the programs in tests/sdk, each in a namespace of its own
    tests/run.py golden [--only NAME]...        the golden scenarios listed in golden-expected.txt
    tests/run.py kill   [--cycles N] [--seed N] the kill test

The server is target/release/steadfast, or the one that STEADFAST_BINARY names. Every step prints a
closing line `N passed, N failed`; the exit status is 0 only if all passed. A missing tool is installed;
if that fails, so does the step.
"""

import argparse
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from server import ROOT, Server, binary

TESTS = ROOT / "tests"
ENVIRONMENT = ROOT / "target" / "test-env"
PYTHON = ENVIRONMENT / "python" / "bin" / "python"
GOLDEN = ROOT.parent / "shared" / "golden"
CLOSING = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
SECONDS_PER_PROGRAM = 600
# What failed, with what was said about it; said again at the end, where a reader of a long log looks.
FAILURE = re.compile(r"^FAIL .*(?:\n(?!ok |FAIL |=== |\d+ passed).*){0,20}", re.MULTILINE)
failures: list[str] = []


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    print("+", *(str(part) for part in command), flush=True)
    status = subprocess.run([str(part) for part in command], cwd=cwd).returncode
    if status != 0:
        raise SystemExit(f"`{command[0]}` failed with status {status}")


def need(tool: str, *packages: str) -> None:
    """Installs a tool that is missing; a test is never left out for that reason."""
    if shutil.which(tool):
        return
    if not packages:
        raise SystemExit(f"`{tool}` is missing")
    run("apt-get", "update", "-q")
    run("apt-get", "install", "-q", "-y", "--no-install-recommends", *packages)
    if not shutil.which(tool):
        raise SystemExit(f"`{tool}` is still missing after installing {', '.join(packages)}")


def once(name: str, inputs: list[Path], action: Callable[[], None]) -> None:
    """Repeats an action only if one of its input files has changed since."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = ENVIRONMENT / f"{name}.done"
    if stamp.exists() and stamp.read_text() == digest:
        return
    action()
    ENVIRONMENT.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)


# ---------------------------------------------------------------------------------------------
# Languages


def setup_python() -> None:
    requirements = TESTS / "sdk" / "python" / "requirements.txt"

    def make() -> None:
        if subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True).returncode != 0:
            run("apt-get", "update", "-q")
            run("apt-get", "install", "-q", "-y", "--no-install-recommends", "python3-venv")
        run(sys.executable, "-m", "venv", "--clear", PYTHON.parent.parent)
        run(PYTHON, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements)

    once("python", [requirements], make)


def setup_rust() -> None:
    need("cargo")
    run("cargo", "build", "--quiet", "--locked", cwd=TESTS / "sdk" / "rust")


def setup_go() -> None:
    need("go", "golang-go")
    folder = TESTS / "sdk" / "go"
    once("go", [folder / "go.mod", folder / "go.sum"], lambda: run("go", "mod", "download", cwd=folder))


def setup_typescript() -> None:
    need("npm", "nodejs", "npm")
    folder = TESTS / "sdk" / "typescript"
    if not (folder / "node_modules").exists():
        (ENVIRONMENT / "typescript.done").unlink(missing_ok=True)
    once("typescript", [folder / "package-lock.json"], lambda: run("npm", "ci", "--no-audit", "--no-fund", cwd=folder))


def setup_java() -> None:
    need("javac", "default-jdk-headless")
    need("mvn", "maven")
    run("mvn", "-q", "-B", "compile", cwd=TESTS / "sdk" / "java")


def setup_browser() -> None:
    """What the browser tests need besides Chromium, which is a package of Debian: rules of accessibility."""
    need("npm", "nodejs", "npm")
    need("chromium", "chromium")
    folder = TESTS / "browser"
    if not (folder / "node_modules").exists():
        (ENVIRONMENT / "axe.done").unlink(missing_ok=True)
    once("axe", [folder / "package-lock.json"], lambda: run("npm", "ci", "--no-audit", "--no-fund", cwd=folder))


@dataclass
class Language:
    setup: Callable[[], None]
    command: list[str]


LANGUAGES = {
    "python": Language(setup_python, [str(PYTHON), "main.py"]),
    "rust": Language(setup_rust, ["cargo", "run", "--quiet", "--locked", "--bin", "sdk"]),
    "go": Language(setup_go, ["go", "run", "."]),
    "typescript": Language(setup_typescript, ["npm", "--silent", "start"]),
    "java": Language(setup_java, ["mvn", "-q", "-B", "compile", "exec:java"]),
}


# ---------------------------------------------------------------------------------------------
# Steps. Each returns how many passed and how many failed.


def setup(only: list[str]) -> tuple[int, int]:
    setups = {name: language.setup for name, language in LANGUAGES.items()} | {"browser": setup_browser}
    chosen = chosen_of(setups, only)
    # The other steps are programs in Python too.
    setup_python()
    for name in chosen:
        setups[name]()
    return len(chosen), 0


def chosen_of(there_are: Collection[str], only: list[str]) -> list[str]:
    unknown = set(only) - set(there_are)
    if unknown:
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(there_are)}")
    return only or list(there_are)


class RunningServer:
    """A server for the time of one step; what is wrong with it at the end counts as one failure."""

    def __init__(self, namespaces: list[str]) -> None:
        self.namespaces = namespaces
        self.folder = Path(tempfile.mkdtemp(prefix="steadfast-test-"))
        self.server = Server(self.folder / "data", self.folder / "server.log")
        self.failed = 0

    def __enter__(self) -> "RunningServer":
        self.server.start()
        try:
            self.server.wait_listening()
            run(PYTHON, TESTS / "namespaces.py", self.server.address, *self.namespaces)
        except BaseException:
            self.server.kill()
            print(self.server.tail())
            raise
        return self

    def __exit__(self, *_) -> None:
        for wrong in self.server.stop():
            self.failed = 1
            print(f"FAIL server: {wrong}")

    def leave(self, failed: int) -> None:
        """Shows the log and keeps the files if something failed."""
        if failed:
            print(f"--- the end of the server's log ({self.server.log})\n{self.server.tail()}\n---")
        else:
            shutil.rmtree(self.folder)


def run_program(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, int]:
    """Runs a test program, passes its output on, and counts by its closing line."""
    program = subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE, text=True, errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = program.communicate(timeout=SECONDS_PER_PROGRAM)
    except subprocess.TimeoutExpired:
        # The group consists of the program and what it started.
        os.killpg(program.pid, signal.SIGKILL)
        output, _ = program.communicate()
        print(output)
        failures.append(f"FAIL {folder.name}: no end within {SECONDS_PER_PROGRAM} s")
        return 0, 1
    print(output, end="", flush=True)
    failures.extend(f"{folder.name}: {failure}" for failure in FAILURE.findall(output))
    closing = CLOSING.findall(output)
    if not closing:
        failures.append(f"FAIL {folder.name}: no closing line, status {program.returncode}")
        return 0, 1
    passed, failed = map(int, closing[-1])
    if (program.returncode != 0) != (failed != 0):
        failures.append(f"FAIL {folder.name}: status {program.returncode} does not agree with the closing line")
        failed += 1
    return passed, failed


def sdk(only: list[str]) -> tuple[int, int]:
    chosen = chosen_of(LANGUAGES, only)
    setup(chosen)
    passed = failed = 0
    with RunningServer([f"sdk-{name}" for name in chosen]) as running:
        for name in chosen:
            print(f"=== {name}", flush=True)
            began = time.monotonic()
            environment = {
                "STEADFAST_ADDRESS": running.server.address,
                "STEADFAST_NAMESPACE": f"sdk-{name}",
                "STEADFAST_BINARY": str(binary()),
            }
            counts = run_program(LANGUAGES[name].command, TESTS / "sdk" / name, environment)
            print(f"=== {name} took {time.monotonic() - began:.0f} s", flush=True)
            passed += counts[0]
            failed += counts[1]
    failed += running.failed
    running.leave(failed)
    return passed, failed


def golden(only: list[str]) -> tuple[int, int]:
    if not (GOLDEN / "golden.py").is_file():
        raise SystemExit(f"the golden scenarios are missing: expected {GOLDEN}/golden.py and its folder reference")
    setup_python()
    listed = TESTS / "golden-expected.txt"
    expected = {line for line in listed.read_text().splitlines() if line and not line.startswith("#")}
    with RunningServer([]) as running:
        command = [str(PYTHON), str(GOLDEN / "golden.py"), "check", running.server.address, str(GOLDEN / "reference")]
        for name in only:
            command += ["--only", name]
        output = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_PER_PROGRAM)
    results = scenario_results(output.stdout)
    if not results:
        print(output.stdout, output.stderr, sep="\n")
        raise SystemExit("the golden scenarios did not run")
    missing = expected - set(results) if not only else set()
    unexpected = [name for name in results if name in expected and results[name]] + sorted(missing)
    for name in unexpected:
        print(results.get(name, f"FAIL {name}: listed, but there is no such scenario"))
    for name in sorted(set(results) - expected):
        state = "still fails" if results[name] else f"passes: add it to {listed.name}"
        print(f"not listed: {name} {state}")
    failed = len(unexpected) + running.failed
    running.leave(failed)
    return len(expected & set(results)) - len(unexpected) + len(missing), failed


def scenario_results(output: str) -> dict[str, str]:
    """For each scenario the text of its failure, empty if it passed."""
    results: dict[str, str] = {}
    name = ""
    for line in output.splitlines():
        if CLOSING.match(line):
            break
        if found := re.match(r"(pass|FAIL) (\S+)", line):
            name = found[2].rstrip(":")
            results[name] = ""
        if name and not line.startswith("pass "):
            results[name] += line + "\n"
    return results


def kill(cycles: int, seed: int | None) -> tuple[int, int]:
    setup(["rust"])
    command = [str(PYTHON), "kill.py", "--cycles", str(cycles)]
    if seed is not None:
        command += ["--seed", str(seed)]
    return run_program(command, TESTS / "kill", {"STEADFAST_BINARY": str(binary())})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    for name, what in (("setup", "language"), ("sdk", "language"), ("golden", "scenario, group or glob")):
        steps.add_parser(name).add_argument("--only", action="append", default=[], help=f"{what}; may be repeated")
    killing = steps.add_parser("kill")
    killing.add_argument("--cycles", type=int, default=int(os.environ.get("CYCLES", "20")))
    killing.add_argument("--seed", type=int)
    args = vars(parser.parse_args())
    step = {"setup": setup, "sdk": sdk, "golden": golden, "kill": kill}[args.pop("step")]
    passed, failed = step(**args)
    print(*failures, sep="\n", end="\n" if failures else "")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
