#!/usr/bin/env python3
"""Changes runs while the budgets are measured, by a real worker and a real client.

    changes.py ADDRESS NAMESPACE

Each line on stdin is a request and is answered by a line of JSON. `at` in an answer is the time just before the call,
in milliseconds since 1970.

    {"do": "start", "id": ID}                       a run of `Watched`
    {"do": "signal", "ids": [...], "name": N}       each of them writes N into its keyword
    {"do": "work", "id": ID}                        has it begin an activity that ends when it is told to
    {"do": "complete", "id": ID, "result": R}       that activity ends with this result
    {"do": "terminate", "id": ID}
    {"do": "token", "rows": N}                      of the list, as hex: so many rows down, or as many as there are before
                                                    its last page, which the answer says
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.common import RawValue, SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

# The SDK logs to stdout: answers have it for themselves.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

QUEUE = "budgets"
HOUR = timedelta(hours=1)
NOTE = SearchAttributeKey.for_keyword("BudgetNote")
# Calls under way at a time.
AT_ONCE = 50
ROWS_AT_ONCE = 1000


@activity.defn
async def outside() -> str:
    """Ends when somebody outside says so."""
    activity.raise_complete_async()


@workflow.defn
class Watched:
    """Lives until it is terminated."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    async def work(self) -> None:
        await workflow.execute_activity(outside, activity_id="outside", start_to_close_timeout=HOUR)

    @workflow.signal(dynamic=True)
    async def note(self, name: str, _: Sequence[RawValue]) -> None:
        workflow.upsert_search_attributes([NOTE.value_set(name)])


class Changes:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.limit = asyncio.Semaphore(AT_ONCE)

    async def start(self, id: str) -> dict:
        at = now()
        handle = await self.client.start_workflow(Watched.run, id=id, task_queue=QUEUE)
        return {"at": at, "run": handle.result_run_id}

    async def signal(self, ids: list[str], name: str) -> dict:
        async def one(id: str) -> None:
            async with self.limit:
                await self.client.get_workflow_handle(id).signal(name)

        at = now()
        await asyncio.gather(*map(one, ids))
        return {"at": at}

    async def work(self, id: str) -> dict:
        handle = self.client.get_workflow_handle(id)
        at = now()
        await handle.signal("work")
        while not await self.is_working(id):
            await asyncio.sleep(0.01)
        return {"at": at}

    async def is_working(self, id: str) -> bool:
        description = await self.client.get_workflow_handle(id).describe()
        pending = description.raw_description.pending_activities
        return any(activity.HasField("last_started_time") for activity in pending)

    async def complete(self, id: str, result: str) -> dict:
        handle = self.client.get_async_activity_handle(workflow_id=id, run_id=None, activity_id="outside")
        at = now()
        await handle.complete(result)
        return {"at": at}

    async def terminate(self, id: str) -> dict:
        at = now()
        await self.client.get_workflow_handle(id).terminate()
        return {"at": at}

    async def token(self, rows: int) -> dict:
        token, passed = b"", 0
        while passed < rows:
            stride = min(ROWS_AT_ONCE, rows - passed)
            request = ListWorkflowExecutionsRequest(
                namespace=self.client.namespace, page_size=stride, next_page_token=token
            )
            answer = await self.client.workflow_service.list_workflow_executions(request)
            if not answer.next_page_token:
                break
            token, passed = answer.next_page_token, passed + stride
        return {"token": token.hex(), "rows": passed}


def now() -> float:
    return time.time() * 1000


async def prepare(client: Client) -> None:
    request = AddSearchAttributesRequest(namespace=client.namespace)
    request.search_attributes[NOTE.name] = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:
            raise


async def main(address: str, namespace: str) -> None:
    client = await Client.connect(address, namespace=namespace)
    await prepare(client)
    changes = Changes(client)
    loop = asyncio.get_running_loop()
    worker = Worker(
        client, task_queue=QUEUE, workflows=[Watched], activities=[outside],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )
    async with worker:
        print("{}", file=ANSWERS, flush=True)
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            request = json.loads(line)
            try:
                answer = await getattr(changes, request.pop("do"))(**request)
            except Exception as error:
                answer = {"wrong": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=ANSWERS, flush=True)


asyncio.run(main(*sys.argv[1:]))
