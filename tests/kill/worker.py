"""The Python worker of the kill test: worker.py ADDRESS NAMESPACE TASK_QUEUE EFFECTS_FILE

The Rust worker (tests/sdk/rust, binary kill-worker) has the same workflows and activities.
"""

import asyncio
import os
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

ACTIVITY_OPTIONS = {
    # Short, since an attempt whose answer is lost with the server is only repeated after its timeout.
    "start_to_close_timeout": timedelta(seconds=3),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=1.0),
}


@workflow.defn
class Part:
    @workflow.run
    async def run(self, label: str) -> str:
        await asyncio.sleep(0.05)
        return await workflow.execute_activity("record", label, result_type=str, **ACTIVITY_OPTIONS)


@workflow.defn
class Order:
    """Runs a child, several activities and timers, and waits for a number of signals."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    @workflow.signal
    def note(self, value: str) -> None:
        self.signals.append(value)

    @workflow.run
    async def run(self, plan: list[int]) -> dict:
        # One argument for both numbers: the Rust SDK takes no more.
        steps, signals = plan
        part = await workflow.start_child_workflow(Part.run, "part", id=f"{workflow.info().workflow_id}-part")
        done: list[str] = []
        for step in range(steps):
            # The first attempt of a flaky one fails.
            done += await asyncio.gather(
                workflow.execute_activity("record", f"step {step}", result_type=str, **ACTIVITY_OPTIONS),
                workflow.execute_activity("record", f"flaky {step}", result_type=str, **ACTIVITY_OPTIONS),
            )
            await asyncio.sleep(0.1)
        await workflow.wait_condition(lambda: len(self.signals) >= signals)
        return {"steps": done, "part": await part, "signals": self.signals}


class Effects:
    """The world outside: a file to which each attempt of an activity appends what it does."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def append(self, what: str) -> None:
        info = activity.info()
        # One write of one short line: lines of several attempts do not mix.
        line = f"{what}\t{info.workflow_id}\t{info.workflow_run_id}\t{info.activity_id}\t{info.attempt}\n"
        os.write(self.file, line.encode())

    @activity.defn
    async def record(self, label: str) -> str:
        self.append("started")
        await asyncio.sleep(0.02)
        if label.startswith("flaky") and activity.info().attempt == 1:
            raise RuntimeError("the first attempt fails")
        self.append("finished")
        return label


async def main(address: str, namespace: str, task_queue: str, effects: str) -> None:
    worker = Worker(
        await Client.connect(address, namespace=namespace),
        task_queue=task_queue,
        workflows=[Order, Part],
        activities=[Effects(effects).record],
        workflow_runner=UnsandboxedWorkflowRunner(),
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
