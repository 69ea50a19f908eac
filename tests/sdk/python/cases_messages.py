"""Timers, signals and queries."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from temporalio import workflow
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError, RPCStatusCode

from suite import Place, attributes, case, eventually, history, kind_of, of_kind, raises, same, seconds_between, workflows


@workflow.defn
class Timers:
    @workflow.run
    async def run(self, seconds: list[float]) -> list[float]:
        began = workflow.now()

        async def wait(duration: float) -> float:
            await asyncio.sleep(duration)
            return (workflow.now() - began).total_seconds()

        return await asyncio.gather(*(wait(duration) for duration in seconds))


@workflow.defn
class CancelledTimer:
    @workflow.run
    async def run(self) -> str:
        timer = asyncio.create_task(asyncio.sleep(600))
        await asyncio.sleep(0.2)
        timer.cancel()
        try:
            await timer
        except asyncio.CancelledError:
            return "cancelled"
        return "fired"


@workflow.defn
class Collect:
    """Collects the values of signals until it is told to finish; answers queries at any time."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.finished = False

    @workflow.signal
    def add(self, value: str) -> None:
        self.values.append(value)

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.query
    def collected(self) -> list[str]:
        return self.values

    @workflow.query
    def number(self, index: int) -> str:
        return self.values[index]

    @workflow.query
    def broken(self) -> str:
        raise ValueError("this query fails")

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: self.finished)
        return self.values


@workflow.defn
class WaitWithTimeout:
    """Waits for a signal for so long."""

    def __init__(self) -> None:
        self.released = False

    @workflow.signal
    def release(self) -> None:
        self.released = True

    @workflow.run
    async def run(self, seconds: float) -> str:
        try:
            await workflow.wait_condition(lambda: self.released, timeout=seconds)
        except asyncio.TimeoutError:
            return "timed out"
        return "released"


workflows(Timers, CancelledTimer, Collect, WaitWithTimeout)


@case(uncached=True)
async def timers_fire_on_time(place: Place) -> None:
    durations = [0.05, 0.5, 1.0, 2.0, 1.0]
    handle = await place.start(Timers.run, durations)
    waited = await handle.result()
    for duration, seconds in zip(durations, waited):
        assert seconds >= duration, f"timer of {duration} s fired after {seconds} s"
    events = await history(handle)
    started = {attributes(event).timer_id: event for event in events if kind_of(event) == "timer_started"}
    fired = {attributes(event).timer_id: event for event in events if kind_of(event) == "timer_fired"}
    same(len(fired), len(durations))
    same(set(fired), set(started))
    for timer_id, event in fired.items():
        duration = attributes(started[timer_id]).start_to_fire_timeout.ToNanoseconds() / 1e9
        waited = seconds_between(started[timer_id], event)
        # Never early; the margin above is for a busy machine.
        assert duration <= waited < duration + 3, f"timer of {duration} s fired after {waited} s"
        same(attributes(event).started_event_id, started[timer_id].event_id)


@case(uncached=True)
async def timer_cancelled(place: Place) -> None:
    handle = await place.start(CancelledTimer.run)
    same(await handle.result(), "cancelled")
    events = await history(handle)
    same((len(of_kind(events, "timer_fired")), len(of_kind(events, "timer_canceled"))), (1, 1))


@case
async def timer_against_signal(place: Place) -> None:
    same(await place.run(WaitWithTimeout.run, 0.3), "timed out")
    handle = await place.start(WaitWithTimeout.run, 60)
    await handle.signal(WaitWithTimeout.release)
    same(await handle.result(), "released")


@case(uncached=True)
async def signals_arrive_in_order(place: Place) -> None:
    handle = await place.start(Collect.run)
    values = [f"value {n}" for n in range(25)]
    for value in values:
        await handle.signal(Collect.add, value)
    await handle.signal(Collect.finish)
    same(await handle.result(), values)
    same(len(of_kind(await history(handle), "workflow_execution_signaled")), 26)


@case
async def signals_at_the_same_time(place: Place) -> None:
    handle = await place.start(Collect.run)
    values = {f"value {n}" for n in range(40)}
    await asyncio.gather(*(handle.signal(Collect.add, value) for value in values))
    await handle.signal(Collect.finish)
    result = await handle.result()
    same((len(result), set(result)), (40, values))


@case
async def signal_before_first_task(place: Place) -> None:
    queue = place.new_id("later")
    handle = await place.start(Collect.run, task_queue=queue)
    await handle.signal(Collect.add, "early")
    await handle.signal(Collect.finish)
    same([kind_of(event) for event in await history(handle)], [
        "workflow_execution_started", "workflow_task_scheduled", "workflow_execution_signaled", "workflow_execution_signaled",
    ])
    async with place.worker(queue):
        same(await handle.result(), ["early"])


@case
async def signal_with_start(place: Place) -> None:
    id = place.new_id("signal-with-start")
    first = await place.start(Collect.run, id=id, start_signal="add", start_signal_args=["one"])
    second = await place.start(Collect.run, id=id, start_signal="add", start_signal_args=["two"])
    same(second.result_run_id, first.result_run_id)
    await first.signal(Collect.finish)
    same(await first.result(), ["one", "two"])
    events = await history(first)
    same([kind_of(event) for event in events[:3]], [
        "workflow_execution_started", "workflow_execution_signaled", "workflow_task_scheduled",
    ])
    # Closed now: the same call starts another run.
    third = await place.start(Collect.run, id=id, start_signal="finish")
    assert third.result_run_id != first.result_run_id, "no new run"
    same(await third.result(), [])


@case
async def signal_to_nobody(place: Place) -> None:
    handle = await place.start(Collect.run, start_signal="finish")
    await handle.result()
    for target in (handle, place.client.get_workflow_handle(place.new_id("missing"))):
        async with raises(RPCError) as caught:
            await target.signal(Collect.add, "too late")
        same(caught[0].status, RPCStatusCode.NOT_FOUND)


@case(uncached=True)
async def queries_running_and_closed(place: Place) -> None:
    handle = await place.start(Collect.run, start_signal="add", start_signal_args=["a"])
    same(await handle.query(Collect.collected), ["a"])
    await handle.signal(Collect.add, "b")
    # A query sees all that was accepted before it.
    same(await handle.query(Collect.collected), ["a", "b"])
    before = len(await history(handle))
    await handle.query(Collect.collected)
    same(len(await history(handle)), before, "events, as a query leaves no trace")
    await handle.signal(Collect.finish)
    await handle.result()
    same(await handle.query(Collect.collected), ["a", "b"])


@case
async def queries_at_the_same_time(place: Place) -> None:
    # Only with a cache: without one the SDK drops queries that wait behind another one of the same run.
    handle = await place.start(Collect.run, start_signal="add", start_signal_args=["a"])
    await handle.signal(Collect.add, "b")
    same(await asyncio.gather(*(handle.query(Collect.number, n % 2) for n in range(10))), ["a", "b"] * 5)
    await handle.signal(Collect.finish)
    same(await handle.result(), ["a", "b"])


@case(uncached=True)
async def queries_that_fail(place: Place) -> None:
    handle = await place.start(Collect.run)
    async with raises(WorkflowQueryFailedError) as caught:
        await handle.query(Collect.broken)
    assert "this query fails" in str(caught[0]), str(caught[0])
    async with raises(WorkflowQueryFailedError) as caught:
        await handle.query("no_such_query")
    assert "no_such_query" in str(caught[0]), str(caught[0])
    await handle.signal(Collect.finish)
    await handle.result()
    async with raises(WorkflowQueryRejectedError) as caught:
        await handle.query(Collect.collected, reject_condition=QueryRejectCondition.NOT_OPEN)
    same(caught[0].status.name, "COMPLETED")
    async with raises(RPCError) as caught:
        await place.client.get_workflow_handle(place.new_id("missing")).query(Collect.collected)
    same(caught[0].status, RPCStatusCode.NOT_FOUND)


@case
async def query_without_worker(place: Place) -> None:
    handle = await place.start(Collect.run, task_queue=place.new_id("nobody"))
    async with raises(RPCError):
        await handle.query(Collect.collected, rpc_timeout=timedelta(seconds=1))
    await handle.terminate("no worker")


@case
async def sticky_worker_goes_away(place: Place) -> None:
    """What one worker had in its cache is continued by another one, from the full history."""
    queue = place.new_id("two-workers")
    sticky = {"max_cached_workflows": 100, "sticky_queue_schedule_to_start_timeout": timedelta(seconds=1)}
    async with place.worker(queue, **sticky):
        handle = await place.start(Collect.run, task_queue=queue)
        await handle.signal(Collect.add, "first worker")
        same(await handle.query(Collect.collected), ["first worker"])
    await handle.signal(Collect.add, "nobody")
    async with place.worker(queue, **sticky):
        await handle.signal(Collect.add, "second worker")
        await handle.signal(Collect.finish)
        same(await handle.result(), ["first worker", "nobody", "second worker"])


@case
async def two_workers_share_a_queue(place: Place) -> None:
    queue = place.new_id("shared")
    # A client may have only one worker on a queue.
    other = replace(place, client=await Client.connect(place.address, namespace=place.client.namespace))
    async with place.worker(queue, max_cached_workflows=2), other.worker(queue, max_cached_workflows=2):
        handles = [await place.start(Collect.run, task_queue=queue) for _ in range(8)]
        for n in range(3):
            await asyncio.gather(*(handle.signal(Collect.add, str(n)) for handle in handles))
        await asyncio.gather(*(handle.signal(Collect.finish) for handle in handles))
        for handle in handles:
            same(await handle.result(), ["0", "1", "2"])
