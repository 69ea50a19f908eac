"""Runs every case against the server at STEADFAST_ADDRESS in the namespace STEADFAST_NAMESPACE.

    python main.py [NAME]...    (all cases, or those whose name contains one of the arguments)

Prints `ok NAME` or `FAIL NAME: reason` for each and a closing line; the exit status tells whether all passed.
"""

import asyncio
import logging
import os
import sys
import time
import traceback
import uuid

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

import cases_activities  # noqa: F401  (importing registers the cases)
import cases_children  # noqa: F401
import cases_messages  # noqa: F401
import cases_runs  # noqa: F401
import cases_visibility
import start_local
from suite import CASES, WORKFLOWS, Case, Place, eventually, same

CASES_AT_ONCE = 8
SECONDS_PER_CASE = 90


class Report:
    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    async def attempt(self, name: str, work) -> None:
        began = time.monotonic()
        try:
            await asyncio.wait_for(work, SECONDS_PER_CASE)
        except Exception as error:
            self.failed += 1
            reason = str(error).strip() or f"no end within {SECONDS_PER_CASE} s"
            print(f"FAIL {name}: {type(error).__name__}: {reason.splitlines()[0]}", flush=True)
            traceback.print_exc(file=sys.stderr)
        else:
            self.passed += 1
            print(f"ok {name} ({time.monotonic() - began:.1f} s)", flush=True)


async def run_cases(report: Report, place: Place, cases: list[Case], suffix: str) -> None:
    limit = asyncio.Semaphore(CASES_AT_ONCE)

    async def one(case: Case) -> None:
        async with limit:
            await report.attempt(case.name + suffix, case.run(place))

    async with place.worker():
        await asyncio.gather(*(one(case) for case in cases))


async def replay(client: Client, task_queues: list[str]) -> None:
    """Every history the cases left behind must be accepted by the SDK's replayer."""
    query = " OR ".join(f"TaskQueue = '{queue}'" for queue in task_queues)
    counted = 0

    async def settled():
        nonlocal counted
        before, counted = counted, (await client.count_workflows(query)).count
        return counted and counted == before

    await eventually(settled)
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner())
    histories = client.list_workflows(query).map_histories()
    results = await replayer.replay_workflows(histories, raise_on_replay_failure=False)
    for run_id, failure in results.replay_failures.items():
        print(f"replay of run {run_id}: {failure}", file=sys.stderr)
    same(len(results.replay_failures), 0, f"replays that failed, of {counted}")
    print(f"# replayed {counted} histories")


async def main(names: list[str]) -> int:
    # Workers warn about each failure that a case provokes.
    logging.basicConfig(level=logging.CRITICAL)
    telemetry = TelemetryConfig(logging=LoggingConfig(TelemetryFilter(core_level="ERROR", other_level="ERROR")))
    Runtime.set_default(Runtime(telemetry=telemetry))
    client = await Client.connect(os.environ["STEADFAST_ADDRESS"], namespace=os.environ["STEADFAST_NAMESPACE"])
    await cases_visibility.add_search_attributes(client)
    chosen = [case for case in CASES if not names or any(name in case.name for name in names)]
    run = uuid.uuid4().hex[:8]
    cached = Place(client, f"python-{run}", max_cached_workflows=1000)
    uncached = Place(client, f"python-uncached-{run}", max_cached_workflows=0)
    report = Report()
    await asyncio.gather(
        run_cases(report, cached, chosen, ""),
        run_cases(report, uncached, [case for case in chosen if case.uncached], " without cache"),
    )
    if chosen:
        await report.attempt("replay", replay(client, [cached.task_queue, uncached.task_queue]))
    if "STEADFAST_BINARY" in os.environ:
        for case in start_local.CASES:
            if not names or any(name in case.__name__ for name in names):
                await report.attempt(case.__name__, case())
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    status = asyncio.run(main(sys.argv[1:]))
    sys.stdout.flush()
    # Not sys.exit: threads of the client may still run and can crash a finalizing interpreter.
    os._exit(status)
