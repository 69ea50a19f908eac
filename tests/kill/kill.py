"""Kills the server with SIGKILL again and again while real workers run workflows, and checks what is left.

    kill.py [--cycles N] [--seed N]

At the end every workflow must have the right result, every acknowledged signal must be in its history
exactly once, and the side effects of the activities must agree with the histories. Then an old copy of the
visibility store is put in its place, which the server must notice. Ends only processes
it has started itself.
"""

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payloads, WorkflowExecution, WorkflowType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from server import ROOT, Server
from worker import Order, Part

NAMESPACE = "kill"
STEPS = 3
SIGNALS = 3
ORDERS_AT_ONCE = 10
CLOSING = {
    "workflow_execution_completed", "workflow_execution_failed", "workflow_execution_timed_out", "workflow_execution_canceled",
    "workflow_execution_terminated", "workflow_execution_continued_as_new",
}
RUST_WORKER = ROOT / "target" / "test-env" / "rust" / "debug" / "kill-worker"
WORKERS = {
    "python": [sys.executable, str(Path(__file__).parent / "worker.py")],
    "rust": [str(RUST_WORKER)],
}


@dataclass
class Acknowledged:
    """What the server has confirmed of one order."""

    run_id: str
    signals: list[str] = field(default_factory=list)


class Load:
    """A client that starts orders and sends them signals, and insists on an answer to each request."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.random = random.Random(seed)
        self.orders: dict[str, Acknowledged] = {}
        self.stopping = False
        self.repeated = 0
        self.refused: list[str] = []

    async def insist(self, call, request):
        """Repeats a request, with the request id it has, until the server confirms it."""
        while True:
            try:
                return await call(request, timeout=timedelta(seconds=5))
            except RPCError as error:
                if error.status in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND, RPCStatusCode.ALREADY_EXISTS):
                    raise
                self.repeated += 1
                await asyncio.sleep(0.05)

    async def payloads(self, value) -> Payloads:
        return Payloads(payloads=await self.client.data_converter.encode([value]))

    async def start(self, id: str, queue: str) -> str:
        request = StartWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_id=id,
            workflow_type=WorkflowType(name="Order"),
            task_queue=TaskQueue(name=queue),
            input=await self.payloads([STEPS, SIGNALS]),
            # Short, since a task whose answer is lost with the server is only repeated after its timeout.
            workflow_task_timeout=Duration(seconds=2),
            request_id=str(uuid.uuid4()),
            identity="kill-test",
        )
        return (await self.insist(self.client.workflow_service.start_workflow_execution, request)).run_id

    async def signal(self, id: str, value: str) -> None:
        request = SignalWorkflowExecutionRequest(
            namespace=NAMESPACE,
            workflow_execution=WorkflowExecution(workflow_id=id),
            signal_name="note",
            input=await self.payloads(value),
            request_id=str(uuid.uuid4()),
            identity="kill-test",
        )
        await self.insist(self.client.workflow_service.signal_workflow_execution, request)

    async def one_order(self, id: str, queue: str) -> None:
        order = Acknowledged(await self.start(id, queue))
        self.orders[id] = order
        for n in range(SIGNALS):
            await asyncio.sleep(self.random.uniform(0, 0.5))
            await self.signal(id, f"signal {n}")
            order.signals.append(f"signal {n}")

    async def keep_going(self, queue: str, slot: int) -> None:
        """Works on one order after the other; each must close, as the end of the test checks."""
        number = 0
        while not self.stopping:
            id = f"{queue}-{slot}-{number}"
            try:
                await self.one_order(id, queue)
            except RPCError as error:
                self.refused.append(f"{id}: {error}")
                return
            await self.closed(id)
            number += 1

    async def closed(self, id: str) -> None:
        handle = self.client.get_workflow_handle(id)
        while True:
            try:
                await asyncio.wait_for(handle.result(rpc_timeout=timedelta(seconds=5)), 10)
                return
            except (RPCError, TimeoutError, asyncio.TimeoutError):
                await asyncio.sleep(0.1)


async def connect(address: str) -> Client:
    while True:
        try:
            return await Client.connect(address, namespace=NAMESPACE)
        except RuntimeError:
            await asyncio.sleep(0.1)


async def kill_again_and_again(server: Server, cycles: int, chance: random.Random) -> None:
    for _ in range(cycles):
        if chance.random() < 0.2:
            # During the start, when the server is recovering.
            await asyncio.sleep(chance.uniform(0.02, 0.4))
        else:
            await asyncio.to_thread(server.wait_listening)
            await asyncio.sleep(chance.uniform(0.5, 3))
        server.kill()
        if not copy_of_lists(server).exists():
            keep_lists(server)
        server.start()


def copy_of_lists(server: Server) -> Path:
    """Where the files of the visibility store are kept as they were after the first kill."""
    return server.data.parent / "lists"


def files_of_lists(folder: Path) -> list[Path]:
    return list(folder.glob("visibility.sqlite*"))


def keep_lists(server: Server) -> None:
    copy = copy_of_lists(server)
    copy.mkdir()
    for file in files_of_lists(server.data):
        shutil.copy(file, copy)


async def set_lists_back(server: Server) -> None:
    """The visibility store as it was after the first kill: the primary store has gone on without it."""
    server.kill()
    for file in files_of_lists(server.data):
        file.unlink()
    for file in files_of_lists(copy_of_lists(server)):
        shutil.copy(file, server.data)
    server.start()
    await asyncio.to_thread(server.wait_listening)


@dataclass
class Checks:
    passed: int = 0
    failed: int = 0

    def check(self, name: str, problems: list[str]) -> None:
        if problems:
            self.failed += 1
            print(f"FAIL {name}: {len(problems)} problems, e.g. " + "; ".join(problems[:5]))
        else:
            self.passed += 1
            print(f"ok {name}")


def kind_of(event: HistoryEvent) -> str:
    return event.WhichOneof("attributes").removesuffix("_event_attributes")


def attributes(event: HistoryEvent):
    return getattr(event, event.WhichOneof("attributes"))


class Findings:
    """All that is known at the end: the histories, and the side effects that the workers recorded."""

    def __init__(self, client: Client, load: Load, effects: Path) -> None:
        self.client = client
        self.load = load
        self.lines = [tuple(line.split("\t")) for line in effects.read_text().splitlines()]
        self.histories: dict[str, list[HistoryEvent]] = {}
        self.missing: list[str] = []

    async def fetch(self) -> None:
        for id in self.load.orders:
            for each in (id, f"{id}-part"):
                try:
                    history = await self.client.get_workflow_handle(each).fetch_history()
                except RPCError as error:
                    self.missing.append(f"{each}: {error}")
                else:
                    self.histories[each] = list(history.events)

    async def value(self, payloads: Payloads):
        return (await self.client.data_converter.decode(payloads.payloads))[0]

    async def wrong_results(self) -> list[str]:
        wrong = []
        for id, events in self.histories.items():
            if kind_of(events[-1]) != "workflow_execution_completed":
                wrong.append(f"{id} ends with {kind_of(events[-1])}")
                continue
            result = await self.value(attributes(events[-1]).result)
            if id.endswith("-part"):
                if result != "part":
                    wrong.append(f"{id} returned {result}")
                continue
            steps = [f"{kind} {step}" for step in range(STEPS) for kind in ("step", "flaky")]
            if result != {"steps": steps, "part": "part", "signals": self.load.orders[id].signals}:
                wrong.append(f"{id} returned {result}")
        return wrong

    def wrong_runs(self) -> list[str]:
        return [
            f"{id} was confirmed as run {order.run_id}, but is {first.original_execution_run_id}"
            for id, order in self.load.orders.items()
            if id in self.histories
            if (first := attributes(self.histories[id][0])).original_execution_run_id != order.run_id
        ]

    def gaps(self) -> list[str]:
        return [
            f"{id} has the events {[event.event_id for event in events]}"
            for id, events in self.histories.items()
            if [event.event_id for event in events] != list(range(1, len(events) + 1))
        ]

    def closed_twice(self) -> list[str]:
        closings = {id: [kind_of(event) for event in events if kind_of(event) in CLOSING] for id, events in self.histories.items()}
        return [f"{id} has the closing events {kinds}" for id, kinds in closings.items() if len(kinds) != 1]

    async def wrong_signals(self) -> list[str]:
        wrong = []
        for id, order in self.load.orders.items():
            found = [
                await self.value(attributes(event).input)
                for event in self.histories.get(id, [])
                if kind_of(event) == "workflow_execution_signaled"
            ]
            if sorted(found) != sorted(order.signals):
                wrong.append(f"{id} was sent {order.signals} but has {found}")
        return wrong

    def attempts_started_twice(self) -> list[str]:
        started = Counter(line[1:] for line in self.lines if line[0] == "started")
        return [f"{attempt} was started {times} times" for attempt, times in started.items() if times > 1]

    def effects_missing(self) -> list[str]:
        """Attempts that a history calls completed, without the side effect."""
        finished = {line[1:] for line in self.lines if line[0] == "finished"}
        missing = []
        for id, events in self.histories.items():
            run_id = attributes(events[0]).original_execution_run_id
            for event in events:
                if kind_of(event) == "activity_task_completed":
                    scheduled = attributes(events[attributes(event).scheduled_event_id - 1])
                    started = attributes(events[attributes(event).started_event_id - 1])
                    attempt = (id, run_id, scheduled.activity_id, str(started.attempt))
                    if attempt not in finished:
                        missing.append(str(attempt))
        return missing

    def effects_unknown(self) -> list[str]:
        """Side effects of activities that no history has scheduled, or of attempts beyond the last."""
        last_attempt = {}
        for id, events in self.histories.items():
            run_id = attributes(events[0]).original_execution_run_id
            for event in events:
                if kind_of(event) == "activity_task_started":
                    scheduled = attributes(events[attributes(event).scheduled_event_id - 1])
                    last_attempt[(id, run_id, scheduled.activity_id)] = attributes(event).attempt
        return [str(line) for line in self.lines if int(line[4]) > last_attempt.get(line[1:4], 0)]

    async def wrong_lists(self) -> list[str]:
        """The list of workflows must agree with the histories; it may lag behind a little."""
        expected = Counter((id, "COMPLETED") for id in self.histories)
        for _ in range(50):
            counted = Counter()
            try:
                async for run in self.client.list_workflows("WorkflowType IN ('Order', 'Part')"):
                    counted[run.id, run.status.name] += 1
            except RPCError as error:
                return [str(error)]
            if counted == expected:
                return []
            await asyncio.sleep(0.2)
        return [f"{key} is listed {counted[key]} times instead of {expected[key]}" for key in counted | expected
                if counted[key] != expected[key]]

    async def not_replayed(self) -> list[str]:
        replayer = Replayer(workflows=[Order, Part], workflow_runner=UnsandboxedWorkflowRunner())

        async def histories():
            for id, events in self.histories.items():
                if "python" in id:
                    yield WorkflowHistory(id, events)

        results = await replayer.replay_workflows(histories(), raise_on_replay_failure=False)
        return [f"run {run_id}: {failure}" for run_id, failure in results.replay_failures.items()]

    def extent(self) -> str:
        retried = sum(int(line[4]) > 2 for line in self.lines if line[0] == "started")
        return (
            f"# {len(self.load.orders)} orders, {sum(map(len, self.histories.values()))} events, {len(self.lines)} side effects, "
            f"{retried} attempts after a lost one, {self.load.repeated} requests repeated"
        )


async def load_and_kill(server: Server, client: Client, cycles: int, seed: int) -> Load:
    load = Load(client, seed)
    tasks = [asyncio.create_task(load.keep_going(f"kill-{name}", slot)) for name in WORKERS for slot in range(ORDERS_AT_ONCE)]
    await kill_again_and_again(server, cycles, random.Random(seed))
    load.stopping = True
    finished, unfinished = await asyncio.wait(tasks, timeout=60)
    for task in finished:
        task.result()
    for task in unfinished:
        task.cancel()
    return load


async def judge(findings: Findings, checks: Checks) -> None:
    await findings.fetch()
    print(findings.extent())
    checks.check("every worker had work", [name for name in WORKERS if not any(name in id for id in findings.histories)])
    checks.check("no request was refused", findings.load.refused)
    checks.check("every order and every part has a history", findings.missing)
    checks.check("every order has the right result", await findings.wrong_results())
    checks.check("every order is the run that was confirmed", findings.wrong_runs())
    checks.check("every confirmed signal is there exactly once", await findings.wrong_signals())
    checks.check("every run is closed exactly once", findings.closed_twice())
    checks.check("histories have no gaps", findings.gaps())
    checks.check("no attempt was started twice", findings.attempts_started_twice())
    checks.check("every completed activity has its side effect", findings.effects_missing())
    checks.check("every side effect belongs to an activity", findings.effects_unknown())
    checks.check("the list of workflows agrees", await findings.wrong_lists())
    checks.check("histories can be replayed", await findings.not_replayed())


async def main(cycles: int, seed: int) -> int:
    telemetry = TelemetryConfig(logging=LoggingConfig(TelemetryFilter(core_level="ERROR", other_level="ERROR")))
    Runtime.set_default(Runtime(telemetry=telemetry))
    folder = Path(tempfile.mkdtemp(prefix="steadfast-kill-"))
    print(f"# seed {seed}, {cycles} cycles, files in {folder}", flush=True)
    began = time.monotonic()
    server = Server(folder / "data", folder / "server.log")
    effects = folder / "effects"
    effects.touch()
    workers: dict[str, subprocess.Popen] = {}
    checks = Checks()
    server.start()
    try:
        server.wait_listening()
        register = Path(__file__).resolve().parent.parent / "namespaces.py"
        subprocess.run([sys.executable, str(register), server.address, NAMESPACE], check=True)
        for name, command in WORKERS.items():
            with (folder / f"{name}.log").open("wb") as log:
                arguments = [server.address, NAMESPACE, f"kill-{name}", str(effects)]
                workers[name] = subprocess.Popen(command + arguments, stdout=log, stderr=log)
        client = await connect(server.address)
        load = await load_and_kill(server, client, cycles, seed)
        print(f"# killed {cycles} times, all orders done after {time.monotonic() - began:.0f} s", flush=True)
        checks.check("workers live on", [f"the {name} worker ended" for name, worker in workers.items() if worker.poll() is not None])
        findings = Findings(client, load, effects)
        await judge(findings, checks)
        await set_lists_back(server)
        checks.check("lists that were set back are made anew", await findings.wrong_lists())
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
        checks.check("the server ends well and has logged no trouble", server.stop())
    if checks.failed:
        print(f"--- the end of the server's log\n{server.tail()}\n---")
    else:
        shutil.rmtree(folder)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=int(os.environ.get("CYCLES", "20")))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    status = asyncio.run(main(arguments.cycles, arguments.seed))
    sys.stdout.flush()
    # Not sys.exit: threads of the client may still run and can crash a finalizing interpreter.
    os._exit(status)
