#!/usr/bin/env python3
"""Makes the data of the browser tests, by a real worker and a real client, and stays there to make more.

    main.py ADDRESS

Prints one line of JSON when all is made: the runs by their names. Then each line on stdin is a request and is
answered by a line:

    {"do": "start", "type": T, "id": ID, "args": [...]}    in the namespace `live`, queue `shop`
    {"do": "signal", "id": ID, "name": N, "args": [...]}
"""

import asyncio
import json
import logging
import os
import sys
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, Interceptor, OutboundInterceptor, WorkflowHandle
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

import hostile
import shop

# The SDK logs to stdout: answers have it for themselves.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

# Long enough for its first task to be done before, whatever else the machine does.
LATE_AFTER = timedelta(seconds=3)
CUSTOMER = SearchAttributeKey.for_keyword("Customer")
CENTS = SearchAttributeKey.for_int("Cents")


def attributes(customer: str, cents: int) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(CUSTOMER, customer), SearchAttributePair(CENTS, cents)])


class Headers(Interceptor):
    """Sends a hostile header along with every start."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input):
                text = json.dumps(hostile.HOSTILE).encode()
                header = Payload(metadata={"encoding": b"json/plain"}, data=text)
                input.headers = {**input.headers, hostile.HOSTILE: header}
                return await super().start_workflow(input)

        return Outbound(next)


async def wait_for(condition) -> None:
    """Asks until it is so; the test that waits for this program gives up in time."""
    while not await condition():
        await asyncio.sleep(0.02)


async def ended(handle: WorkflowHandle) -> None:
    try:
        await handle.result(follow_runs=False)
    except Exception:
        # How it ended is what the run is there for.
        pass


async def add_attributes(client: Client) -> None:
    request = AddSearchAttributesRequest(namespace=client.namespace)
    request.search_attributes["Customer"] = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    request.search_attributes["Cents"] = IndexedValueType.INDEXED_VALUE_TYPE_INT
    await client.operator_service.add_search_attributes(request)


async def pending(handle: WorkflowHandle, attempt: int) -> None:
    async def so() -> bool:
        activities = (await handle.describe()).raw_description.pending_activities
        return any(one.attempt >= attempt and one.HasField("last_failure") for one in activities)

    await wait_for(so)


async def has_two_children(family: WorkflowHandle) -> bool:
    """The first one has ended, the second one runs."""
    raw = (await family.describe()).raw_description
    return len(raw.pending_children) == 1 and raw.workflow_execution_info.history_length > 15


async def fill_shop(client: Client) -> dict[str, WorkflowHandle]:
    made: dict[str, WorkflowHandle] = {}

    async def start(name: str, kind, *args, **options) -> WorkflowHandle:
        options = {"id": name, "task_queue": shop.QUEUE} | options
        made[name] = await client.start_workflow(kind, args=list(args), **options)
        return made[name]

    described = {
        "static_summary": "Order **4711** of the spring sale",
        "static_details": "# Order\n\n- one lamp\n- [terms](https://example.com/terms)\n",
    }
    checkout = await start(
        "checkout", shop.Checkout.run, 4711, 2, 0.4, memo={"desk": "north", "exact": shop.EXACT},
        search_attributes=attributes("Ada", 12900), **described,
    )
    family = await start("family", shop.Family.run)
    # One after the other, so that lists are in the same order each time.
    await wait_for(lambda: has_two_children(family))
    await start("reminder", shop.Reminder.run, 720)
    await start("approval", shop.Approval.run, "a discount", search_attributes=attributes("Grace", 500))
    label = await start("label", shop.Label.run, 4712)
    await pending(label, 7)
    await start("abandoned", shop.Reminder.run, 1, task_queue="nobody-polls")
    for order in range(3):
        await ended(await start(f"refund-{order}", shop.Refund.run, 100 + order))
    await ended(await start("late", shop.Approval.run, "too late", execution_timeout=LATE_AFTER))
    canceled = await start("canceled", shop.Reminder.run, 2)
    await canceled.cancel()
    await ended(canceled)
    terminated = await start("terminated", shop.Reminder.run, 2)
    await terminated.terminate(reason="The shop is closed")
    rounds = await start("rounds", shop.Rounds.run, 2)
    await rounds.result()
    for name, size in (("report", 10), ("report-long", 1_000), ("report-huge", 20_000)):
        await ended(await start(name, shop.Report.run, size))
    await start("report-binary", shop.Approval.run, bytes(range(256)) * 4)
    for order in range(12):
        quick = await start(f"order-{order:02}", shop.Delivery.run, order, search_attributes=attributes("Ada", order))
        await ended(quick)
    await checkout.signal("note", "leave it at the door")
    await checkout.result()
    return made


async def fill_hostile(client: Client) -> dict[str, WorkflowHandle]:
    hostile_run = await client.start_workflow(
        hostile.Hostile.run, hostile.HOSTILE, id=hostile.PATH, task_queue=hostile.QUEUE,
        memo={hostile.HOSTILE: hostile.HOSTILE}, static_summary=hostile.LINK + hostile.HOSTILE,
        static_details=hostile.LINK + hostile.HOSTILE, search_attributes=attributes(hostile.HOSTILE, 1),
    )
    await hostile_run.signal(hostile.HOSTILE, hostile.HOSTILE)
    await pending(hostile_run, 2)
    victim = await client.start_workflow(
        hostile.Victim.run, hostile.HOSTILE, id=hostile.PATH + "victim", task_queue=hostile.QUEUE
    )
    await ended(victim)
    ended_by_hand = await client.start_workflow(
        hostile.Hostile.run, hostile.HOSTILE, id=hostile.PATH + "terminated", task_queue="nobody" + hostile.QUEUE
    )
    await ended_by_hand.terminate(hostile.HOSTILE, reason=hostile.HOSTILE)
    canceled = await client.start_workflow(
        hostile.Hostile.run, hostile.HOSTILE, id=hostile.PATH + "canceled", task_queue=hostile.QUEUE
    )
    await canceled.cancel(reason=hostile.HOSTILE)
    await ended(canceled)
    return {
        "hostile": hostile_run, "hostile-victim": victim, "hostile-terminated": ended_by_hand,
        "hostile-canceled": canceled,
    }


async def serve(client: Client) -> None:
    """Does what is asked for, until stdin ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        answer = {}
        try:
            if asked["do"] == "start":
                handle = await client.start_workflow(
                    asked["type"], args=asked["args"], id=asked["id"], task_queue=shop.QUEUE
                )
                answer = {"run": handle.first_execution_run_id}
            else:
                await client.get_workflow_handle(asked["id"]).signal(asked["name"], args=asked["args"])
        except RPCError as error:
            answer = {"wrong": str(error)}
        print(json.dumps(answer), file=ANSWERS, flush=True)


async def main() -> None:
    # Activities fail here on purpose, again and again.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    address = sys.argv[1]
    at_shop = await Client.connect(address, namespace="shop", identity="shop-desk")
    at_live = await Client.connect(address, namespace="live", identity="live-desk")
    at_hostile = await Client.connect(
        address, namespace="hostile", identity=hostile.HOSTILE, interceptors=[Headers()]
    )
    await add_attributes(at_shop)
    await add_attributes(at_hostile)

    def worker(client: Client, queue: str, package) -> Worker:
        # The server is tested here, not the SDK's sandbox, which is slow to load.
        return Worker(
            client, task_queue=queue, workflows=package.WORKFLOWS, activities=package.ACTIVITIES,
            workflow_runner=UnsandboxedWorkflowRunner(), max_cached_workflows=100,
        )

    async with AsyncExitStack() as workers:
        for client, queue, package in (
            (at_shop, shop.QUEUE, shop), (at_live, shop.QUEUE, shop), (at_hostile, hostile.QUEUE, hostile)
        ):
            await workers.enter_async_context(worker(client, queue, package))
        filled = await asyncio.gather(fill_shop(at_shop), fill_hostile(at_hostile))
        runs = {}
        for made in filled:
            for name, handle in made.items():
                first = handle.first_execution_run_id or handle.result_run_id
                runs[name] = {"namespace": handle._client.namespace, "id": handle.id, "run": first}
        print(json.dumps(runs), file=ANSWERS, flush=True)
        await serve(at_live)


if __name__ == "__main__":
    asyncio.run(main())
