"""Starts and stops one server under test. Standard library only."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TROUBLE = re.compile(r"\bERROR\b|panicked at")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def binary() -> Path:
    """The server to test: the release build, unless STEADFAST_BINARY names another one."""
    path = Path(os.environ.get("STEADFAST_BINARY", ROOT / "target" / "release" / "steadfast"))
    if not path.is_file():
        raise SystemExit(f"no server at {path}: build it by `cargo build --release`, or set STEADFAST_BINARY")
    return path


class Server:
    """A server with a durable store in `data`; its log goes to the file `log`."""

    def __init__(self, data: Path, log: Path) -> None:
        self.data = data
        self.log = log
        self.port = free_port()
        self.ui_port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        if binary().name == "temporal":
            # The reference development server: a yardstick for the tests themselves.
            return [str(binary()), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self.port),
                    "--db-filename", str(self.data / "data.sqlite"), "--log-level", "never"]
        return [str(binary()), "server", "start", "--data-dir", str(self.data), "--ip", "127.0.0.1",
                "--port", str(self.port), "--ui-port", str(self.ui_port), "--log-level", "warn"]

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            # A group of its own: Ctrl-C in a terminal must reach this program first, not the server.
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, start_new_session=True)

    def wait_listening(self, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the server ended by itself with status {self.process.returncode}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"the server does not listen after {seconds} s")
                time.sleep(0.02)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> list[str]:
        """Asks the server to end; returns what is wrong with how it ended or with its log."""
        wrong = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
                wrong.append("the server did not end within 15 s of SIGTERM")
        if self.process.returncode != 0 and not wrong:
            wrong.append(f"the server ended with status {self.process.returncode}")
        return wrong + self.trouble()

    def trouble(self) -> list[str]:
        """Lines of the log that must not be there."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        found = [line for line in lines if TROUBLE.search(line)]
        return [f"the server logged: {line}" for line in found[:10]]

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
