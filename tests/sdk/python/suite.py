"""What every case needs: the list of cases, and a place (client, queue, worker) to run them in."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

WORKFLOWS: list[type] = []
ACTIVITIES: list[Callable] = []
CASES: list["Case"] = []


def workflows(*classes: type) -> None:
    WORKFLOWS.extend(classes)


def activities(*functions: Callable) -> None:
    ACTIVITIES.extend(functions)


@dataclass
class Place:
    """Where a case runs. Every place has its own task queue, so that the same case can run in several."""

    client: Client
    task_queue: str
    max_cached_workflows: int

    @property
    def address(self) -> str:
        return self.client.service_client.config.target_host

    def new_id(self, name: str) -> str:
        return f"{name}-{uuid.uuid4().hex[:12]}"

    async def start(self, workflow: Any, *args: Any, **options: Any) -> WorkflowHandle:
        """Starts a workflow on this place's queue, with an id made from the workflow's name."""
        options.setdefault("id", self.new_id(getattr(workflow, "__qualname__", str(workflow)).split(".")[0]))
        options.setdefault("task_queue", self.task_queue)
        return await self.client.start_workflow(workflow, args=list(args), **options)

    async def run(self, workflow: Any, *args: Any, **options: Any) -> Any:
        return await (await self.start(workflow, *args, **options)).result()

    def worker(self, task_queue: str | None = None, **options: Any) -> Worker:
        options.setdefault("max_cached_workflows", self.max_cached_workflows)
        return Worker(
            self.client,
            task_queue=task_queue or self.task_queue,
            workflows=WORKFLOWS,
            activities=ACTIVITIES,
            # The server is tested here, not the SDK's sandbox, which is slow to load.
            workflow_runner=UnsandboxedWorkflowRunner(),
            # A short interval, so that heartbeats (and the cancel requests they bring) are not held back.
            max_heartbeat_throttle_interval=timedelta(milliseconds=100),
            default_heartbeat_throttle_interval=timedelta(milliseconds=100),
            **options,
        )


@dataclass
class Case:
    name: str
    run: Callable[[Place], Awaitable[None]]
    # Also run by a worker that keeps no workflow in its cache, so that every task brings the full history.
    uncached: bool


def case(function: Callable[[Place], Awaitable[None]] | None = None, *, uncached: bool = False):
    """Registers a case under its function's name."""

    def register(function):
        CASES.append(Case(function.__name__, function, uncached))
        return function

    return register(function) if function else register


def same(actual: Any, expected: Any, what: str = "") -> None:
    if actual != expected:
        raise AssertionError(f"{what + ': ' if what else ''}expected {expected!r}, got {actual!r}")


async def eventually(probe: Callable[[], Awaitable[Any]], seconds: float = 20) -> Any:
    """Repeats the probe until it returns something true, and returns that.

    An AssertionError counts as "not yet"; the last one is raised when the time is over.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = await probe()
            if value:
                return value
            error = AssertionError(f"still {value!r} after {seconds} s")
        except AssertionError as failed:
            error = failed
        if time.monotonic() > deadline:
            raise error
        await asyncio.sleep(0.1)


@asynccontextmanager
async def raises(kind: type[BaseException]):
    """The block must raise `kind`; the exception appears as the only element of the yielded list."""
    caught: list[Any] = []
    try:
        yield caught
    except kind as error:
        caught.append(error)
        return
    raise AssertionError(f"expected {kind.__name__}, but nothing was raised")


def kind_of(event: HistoryEvent) -> str:
    """The name of the event's attributes, e.g. `timer_fired`."""
    return event.WhichOneof("attributes").removesuffix("_event_attributes")


def attributes(event: HistoryEvent) -> Any:
    return getattr(event, event.WhichOneof("attributes"))


async def history(handle: WorkflowHandle, **options: Any) -> list[HistoryEvent]:
    """The history of the handle's run; its event ids must have no gap."""
    events = [event async for event in handle.fetch_history_events(**options)]
    same([event.event_id for event in events], list(range(1, len(events) + 1)), "event ids")
    return events


def of_kind(events: list[HistoryEvent], kind: str) -> list[Any]:
    """The attributes of all events of a kind."""
    return [attributes(event) for event in events if kind_of(event) == kind]


def seconds_between(earlier: HistoryEvent, later: HistoryEvent) -> float:
    return (later.event_time.ToNanoseconds() - earlier.event_time.ToNanoseconds()) / 1e9
