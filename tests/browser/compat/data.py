#!/usr/bin/env python3
"""Data for the comparison of two servers: makes the same workflows on whichever server is named, then stays their worker.

    data.py HOST:PORT [--namespace compat]

Prints `ready` when all is there, and works on until it is interrupted: pages of the UI ask for pollers and queries.
The namespace is created, and one with more runs than a list shows at once; they must not have been used before. Everything is made in a fixed order by one client, so that
two servers that behave alike show the same.
"""

import argparse
import asyncio
import logging
import signal
import time
from datetime import datetime, timedelta, timezone

from google.protobuf.duration_pb2 import Duration
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DeleteWorkflowExecutionRequest,
    DescribeNamespaceRequest,
    RegisterNamespaceRequest,
)
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import (
    RawValue,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "compat"
# Nobody polls this one.
LONELY_QUEUE = "compat-lonely"
EVER = timedelta(hours=10)
# More than a page of the list has.
MANY = 110
SHORT = timedelta(seconds=20)

KEYWORD = SearchAttributeKey.for_keyword("CompatKeyword")
TEXT = SearchAttributeKey.for_text("CompatText")
INT = SearchAttributeKey.for_int("CompatInt")
DOUBLE = SearchAttributeKey.for_float("CompatDouble")
BOOL = SearchAttributeKey.for_bool("CompatBool")
DATETIME = SearchAttributeKey.for_datetime("CompatDatetime")
LIST = SearchAttributeKey.for_keyword_list("CompatList")
TYPES = {
    KEYWORD.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    TEXT.name: IndexedValueType.INDEXED_VALUE_TYPE_TEXT,
    INT.name: IndexedValueType.INDEXED_VALUE_TYPE_INT,
    DOUBLE.name: IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    BOOL.name: IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
    DATETIME.name: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    LIST.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}


# ---------------------------------------------------------------------------------------------
# Activities


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@activity.defn
async def third_time_lucky(what: str) -> str:
    if activity.info().attempt < 3:
        raise ApplicationError(f"no luck with {what}", {"attempt": activity.info().attempt}, type="BadLuck")
    return what


@activity.defn
async def never_lucky(what: str) -> str:
    raise ApplicationError(f"never any luck with {what}", type="BadLuck")


@activity.defn
async def long_work(steps: int) -> str:
    """Reports one heartbeat, and then nothing more: heartbeats are not timed here."""
    activity.heartbeat({"step": 1, "of": steps})
    await asyncio.sleep(EVER.total_seconds())
    return "woke up"


# ---------------------------------------------------------------------------------------------
# Workflows


@workflow.defn
class Child:
    @workflow.run
    async def run(self, how: str) -> str:
        if how == "fail":
            raise ApplicationError("child failed", "detail", type="ChildFailure", non_retryable=True)
        if how == "wait":
            await asyncio.sleep(EVER.total_seconds())
        return how


@workflow.defn
class Order:
    """A bit of everything; then completes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.query(description="How far the order is")
    def status(self) -> dict:
        return {"notes": self.notes}

    @workflow.query
    def echo(self, word: str) -> str:
        return word

    @workflow.signal(description="Adds a note")
    async def note(self, text: str) -> None:
        self.notes.append(text)

    @workflow.run
    async def run(self, order: dict) -> dict:
        workflow.set_current_details("**Reserving** the goods")
        await workflow.wait_condition(lambda: len(self.notes) >= 2)
        workflow.patched("compat-patch")
        greeting = await workflow.execute_local_activity(greet, order["customer"], start_to_close_timeout=SHORT)
        lucky = await workflow.execute_activity(
            third_time_lucky,
            "a draw",
            start_to_close_timeout=SHORT,
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=20)),
            summary="Draws until it is lucky",
        )
        await workflow.sleep(0.05, summary="Takes breath")
        workflow.upsert_search_attributes([KEYWORD.value_set("shipped"), INT.value_set(7)])
        workflow.upsert_memo({"stage": "shipping"})
        child = await workflow.execute_child_workflow(Child.run, "done", id=f"{workflow.info().workflow_id}-child")
        try:
            await workflow.execute_child_workflow(Child.run, "fail", id=f"{workflow.info().workflow_id}-failing-child")
        except Exception:
            self.notes.append("a child failed")
        other = workflow.get_external_workflow_handle("waiting")
        await other.signal("note", "from another workflow")
        await workflow.get_external_workflow_handle("cancelled-from-outside").cancel()
        try:
            await workflow.execute_activity(
                never_lucky, "this", start_to_close_timeout=SHORT, retry_policy=RetryPolicy(maximum_attempts=1)
            )
        except Exception:
            self.notes.append("an activity failed")
        workflow.set_current_details("")
        return {"greeting": greeting, "lucky": lucky, "child": child, "notes": self.notes}


@workflow.defn
class Waiting:
    """Open for ever, with something of every kind pending."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.query
    def status(self) -> list[str]:
        return self.notes

    @workflow.signal
    async def note(self, text: str) -> None:
        self.notes.append(text)

    @workflow.run
    async def run(self) -> str:
        workflow.set_current_details("Waits for **everything**")
        await asyncio.gather(
            workflow.execute_activity(
                never_lucky,
                "this",
                start_to_close_timeout=SHORT,
                retry_policy=RetryPolicy(initial_interval=EVER, maximum_interval=EVER),
                summary="Will be tried again in ten hours",
            ),
            workflow.execute_activity(long_work, 5, start_to_close_timeout=EVER),
            workflow.execute_activity(greet, "nobody", task_queue=LONELY_QUEUE, start_to_close_timeout=EVER),
            workflow.execute_child_workflow(Child.run, "wait", id="waiting-child"),
            workflow.sleep(EVER, summary="A long sleep"),
        )
        return "done"


@workflow.defn
class Patient:
    """Waits until it is told to end, or cancelled."""

    def __init__(self) -> None:
        self.ended = False

    @workflow.signal
    async def end(self) -> None:
        self.ended = True

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.ended)
        return "told to end"


@workflow.defn
class Failing:
    @workflow.run
    async def run(self, what: str) -> None:
        try:
            raise ValueError("the disk is full")
        except ValueError as error:
            raise ApplicationError(f"cannot save {what}", {"free": 0}, type="Storage", non_retryable=True) from error


@workflow.defn
class Flaky:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError(f"attempt {workflow.info().attempt}", type="Flaky")


@workflow.defn
class Countdown:
    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return "lift-off"


@workflow.defn
class Stuck:
    """Has a defect: its task fails again and again."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("a defect of the workflow's code")


@workflow.defn
class Large:
    """A history of several pages."""

    @workflow.run
    async def run(self, rounds: int, width: int) -> int:
        for _ in range(rounds):
            greetings = [workflow.execute_activity(greet, str(n), start_to_close_timeout=SHORT) for n in range(width)]
            await asyncio.gather(*greetings)
        return rounds * width


@workflow.defn
class Family:
    @workflow.run
    async def run(self, size: int) -> list[str]:
        return [await workflow.execute_child_workflow(Child.run, "done", id=f"family-{n}") for n in range(size)]


@workflow.defn
class Raw:
    """Takes and gives payloads of all encodings."""

    @workflow.run
    async def run(self, a: RawValue, b: RawValue, c: RawValue, d: RawValue, e: RawValue) -> RawValue:
        return RawValue(Payload(metadata={"encoding": b"binary/plain"}, data=bytes(range(16))))


WORKFLOWS = [Child, Order, Waiting, Patient, Failing, Flaky, Countdown, Stuck, Large, Family, Raw]
ACTIVITIES = [greet, third_time_lucky, never_lucky, long_work]


# ---------------------------------------------------------------------------------------------
# Steps


async def until(what: str, condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        await asyncio.sleep(0.05)


async def make_namespace(client: Client) -> None:
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=client.namespace,
            description="Made to compare two servers",
            owner_email="somebody@example.org",
            workflow_execution_retention_period=Duration(seconds=3 * 86_400),
        )
    )

    async def known() -> bool:
        try:
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
            await client.count_workflows()
            await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
            return True
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise

    await until("the namespace is there", known)
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=client.namespace, search_attributes=TYPES)
    )

    async def usable() -> bool:
        try:
            query = " AND ".join(f"{name} IS NULL" for name in TYPES)
            await client.workflow_service.count_workflow_executions(
                CountWorkflowExecutionsRequest(namespace=client.namespace, query=query)
            )
            return True
        except RPCError as error:
            if error.status == RPCStatusCode.INVALID_ARGUMENT:
                return False
            raise

    await until("the search attributes can be used", usable)


async def settled(handle: WorkflowHandle) -> None:
    """Waits until no workflow task is under way, so that what comes next finds the same history everywhere."""

    async def idle() -> bool:
        return not (await handle.describe()).raw_description.HasField("pending_workflow_task")

    await until(f"{handle.id} is idle", idle)


async def ended(handle: WorkflowHandle) -> None:
    try:
        await handle.result()
    except WorkflowFailureError:
        pass


async def make_workflows(client: Client) -> None:
    async def start(run, id: str, *args, **options) -> WorkflowHandle:
        options.setdefault("task_queue", QUEUE)
        return await client.start_workflow(run, args=list(args), id=id, **options)

    async def wait_pending(id: str, count: int) -> None:
        async def enough() -> bool:
            description = await client.get_workflow_handle(id).describe()
            pending = description.raw_description.pending_activities
            failed = any(activity.last_failure.message for activity in pending)
            beats = any(activity.HasField("heartbeat_details") for activity in pending)
            return len(pending) >= count and failed and beats

        await until(f"{count} activities of {id} are pending", enough)

    # Open ones first: others speak to them.
    await start(Waiting.run, "waiting", memo={"team": "storage"}, search_attributes=TypedSearchAttributes([SearchAttributePair(KEYWORD, "waits")]))
    await wait_pending("waiting", 3)
    await settled(await start(Patient.run, "cancelled-from-outside"))

    handle = await start(
        Order.run,
        "order",
        {"customer": "Ada", "amount": 9007199254740993, "items": [{"name": "engine", "count": 1}]},
        static_summary="An **order** of an engine",
        static_details="## Details\n\n- with a list\n- and `code`",
        memo={"channel": "web", "stage": "new"},
        search_attributes=TypedSearchAttributes(
            [
                SearchAttributePair(KEYWORD, "new"),
                SearchAttributePair(TEXT, "the quick brown fox"),
                SearchAttributePair(INT, 3),
                SearchAttributePair(DOUBLE, 0.5),
                SearchAttributePair(BOOL, True),
                SearchAttributePair(DATETIME, datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
                SearchAttributePair(LIST, ["red", "green"]),
            ]
        ),
        start_signal="note",
        start_signal_args=["with the start"],
    )
    await settled(handle)
    await handle.signal("note", "a second one")
    await ended(handle)
    await ended(client.get_workflow_handle("cancelled-from-outside"))

    await ended(await start(Failing.run, "failed", "the order"))
    await ended(await start(Patient.run, "timed-out", execution_timeout=timedelta(seconds=1), task_queue=LONELY_QUEUE))
    handle = await start(Patient.run, "cancelled")
    await settled(handle)
    await handle.cancel()
    await ended(handle)
    handle = await start(Patient.run, "terminated")
    await settled(handle)
    await handle.terminate("no longer needed", reason="by hand")
    await ended(handle)
    await ended(await start(Countdown.run, "continued", 2))
    await ended(await start(Flaky.run, "retried", retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=20), maximum_attempts=2)))
    await ended(await start(Family.run, "family", 3))
    await ended(await start(Large.run, "large", 5, 60))
    raw = [
        Payload(metadata={"encoding": b"json/plain"}, data=b'{"n": 9007199254740993}'),
        Payload(metadata={"encoding": b"json/protobuf", "messageType": b"google.protobuf.Duration"}, data=b'"3s"'),
        Payload(metadata={"encoding": b"binary/null"}),
        Payload(metadata={"encoding": b"binary/plain"}, data=b"\x00\x01\xff"),
        Payload(metadata={"encoding": b"binary/encrypted", "encryption-key-id": b"k1"}, data=b"\x99\x98"),
    ]
    await ended(await start("Raw", "raw", *[RawValue(payload) for payload in raw]))
    # Twice the same id: the list has both runs, links lead to the second.
    for _ in range(2):
        await ended(await start(Child.run, "repeated", "done", id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE))
    handle = await start(Child.run, "deleted", "done")
    await ended(handle)
    await delete(client, handle)

    await start(Patient.run, "lonely", task_queue=LONELY_QUEUE)
    await start(Patient.run, "delayed", start_delay=EVER)
    await start(Child.run, "cron", "done", cron_schedule="0 0 1 1 *")
    await start(Stuck.run, "stuck")
    for name in ("signal", "cancel", "terminate", "terminate-too"):
        await settled(await start(Patient.run, f"to-{name}"))

    async def listed() -> bool:
        stuck = await client.get_workflow_handle("stuck").describe()
        attempt = stuck.raw_description.pending_workflow_task.attempt
        return attempt >= 2 and (await client.count_workflows("ExecutionStatus = 'Running'")).count == 10

    await until("the list shows all that is open", listed)


async def make_many(client: Client) -> None:
    """Closed one after the other, so that their order is known."""
    for number in range(MANY):
        handle = await client.start_workflow("Patient", id=f"many-{number}", task_queue=LONELY_QUEUE)
        await handle.terminate()

    async def listed() -> bool:
        return (await client.count_workflows("ExecutionStatus = 'Terminated'")).count == MANY

    await until("the list shows all of many", listed)


def worker(client: Client) -> Worker:
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=WORKFLOWS,
        activities=ACTIVITIES,
        identity="compat-worker",
        # The servers are compared here, not the SDK's sandbox, which is slow to load.
        workflow_runner=UnsandboxedWorkflowRunner(),
        graceful_shutdown_timeout=timedelta(0),
    )


async def delete(client: Client, handle: WorkflowHandle) -> None:
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=handle.id))
    )

    async def gone() -> bool:
        try:
            await handle.describe()
        except RPCError as error:
            return error.status == RPCStatusCode.NOT_FOUND
        return False

    await until("a run is deleted", gone, seconds=180)


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("address")
    arguments.add_argument("--namespace", default="compat")
    chosen = arguments.parse_args()
    # What fails here fails on purpose.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    client = await Client.connect(chosen.address, namespace=chosen.namespace, identity="compat-client")
    await make_namespace(client)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with worker(client):
        await make_workflows(client)
        many = await Client.connect(chosen.address, namespace=f"{chosen.namespace}-many", identity="compat-client")
        await make_namespace(many)
        await make_many(many)
        print("ready", flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
