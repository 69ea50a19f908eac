"""The life of runs: chains, cancel, terminate, timeouts, retry, cron, delays, id policies, histories."""

import asyncio
import time
from datetime import timedelta

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import (
    WorkflowContinuedAsNewError, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHistoryEventFilterType,
)
from temporalio.common import RetryPolicy, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import (
    ApplicationError, CancelledError, TerminatedError, TimeoutError, WorkflowAlreadyStartedError, is_cancelled_exception,
)
from temporalio.service import RPCError, RPCStatusCode

from cases_activities import echo
from cases_messages import Collect
from suite import (
    Place, attributes, case, eventually, history, kind_of, of_kind, raises, same, seconds_between, workflows,
)

QUICK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=1.0, maximum_attempts=3)


@workflow.defn
class Chain:
    @workflow.run
    async def run(self, left: int, runs: list[str]) -> list[str]:
        runs.append(workflow.info().run_id)
        if left:
            workflow.continue_as_new(args=[left - 1, runs], memo={"left": left - 1})
        same_first = workflow.info().first_execution_run_id == runs[0]
        return runs if same_first else []


@workflow.defn
class Stubborn:
    """Sleeps; when cancelled it tidies up by an activity, then ends as cancelled or completes all the same."""

    @workflow.run
    async def run(self, complete: bool) -> str:
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            tidied = await workflow.execute_activity(echo, "tidied up", start_to_close_timeout=timedelta(seconds=20))
            if complete:
                return tidied
            raise
        return "slept"


@workflow.defn
class FailUntil:
    @workflow.run
    async def run(self, attempt: int, non_retryable: bool) -> int:
        if workflow.info().attempt < attempt:
            raise ApplicationError(f"run {workflow.info().attempt} fails", type="RunFailure", non_retryable=non_retryable)
        return workflow.info().attempt


@workflow.defn
class Tick:
    """One tick of a cron chain: counts on from the result of the tick before."""

    @workflow.run
    async def run(self, fail_second: bool) -> int:
        last = workflow.get_last_completion_result(type_hint=int) if workflow.has_last_completion_result() else 0
        if fail_second and last == 1 and not workflow.get_last_failure():
            raise ApplicationError("the second tick fails", non_retryable=True)
        return last + 1


@workflow.defn
class ManyEvents:
    @workflow.run
    async def run(self, rounds: int, width: int) -> int:
        for _ in range(rounds):
            await asyncio.gather(*(asyncio.sleep(0.001) for _ in range(width)))
        return rounds * width


@workflow.defn
class Deterministic:
    """What must come out the same on replay: random numbers, ids, versions, and the clock."""

    @workflow.run
    async def run(self) -> list:
        seen = [workflow.random().random(), str(workflow.uuid4()), workflow.patched("a-patch")]
        await asyncio.sleep(0.01)
        seen += [workflow.random().random(), abs(workflow.now().timestamp() - workflow.time()) < 0.001, workflow.patched("a-patch")]
        return seen


FAILED_TASKS: set[str] = set()


@workflow.defn
class BadFirstTask:
    """Its first workflow task fails by a bug that is mended by the second attempt."""

    @workflow.run
    async def run(self) -> str:
        if workflow.info().run_id not in FAILED_TASKS and not workflow.unsafe.is_replaying():
            FAILED_TASKS.add(workflow.info().run_id)
            raise RuntimeError("a bug")
        return "mended"


workflows(Chain, Stubborn, FailUntil, Tick, ManyEvents, Deterministic, BadFirstTask)


@case(uncached=True)
async def chain_is_followed(place: Place) -> None:
    handle = await place.start(Chain.run, 2, [])
    runs = await handle.result()
    same((len(runs), len(set(runs)), runs[0]), (3, 3, handle.first_execution_run_id))
    first = place.client.get_workflow_handle(handle.id, run_id=runs[0])
    async with raises(WorkflowContinuedAsNewError) as caught:
        await first.result(follow_runs=False)
    same(caught[0].new_execution_run_id, runs[1])
    same((await first.describe()).status, WorkflowExecutionStatus.CONTINUED_AS_NEW)
    last = await place.client.get_workflow_handle(handle.id).describe()
    same((last.run_id, last.status, await last.memo()), (runs[2], WorkflowExecutionStatus.COMPLETED, {"left": 0}))
    [started] = of_kind(await history(place.client.get_workflow_handle(handle.id, run_id=runs[1])), "workflow_execution_started")
    same((started.continued_execution_run_id, started.first_execution_run_id), (runs[0], runs[0]))


@case(uncached=True)
async def cancel_runs_the_cleanup(place: Place) -> None:
    for complete in (False, True):
        handle = await place.start(Stubborn.run, complete)

        async def sleeping():
            return of_kind(await history(handle), "timer_started")

        await eventually(sleeping)
        await handle.cancel()
        if complete:
            same(await handle.result(), "tidied up")
        else:
            async with raises(WorkflowFailureError) as caught:
                await handle.result()
            assert isinstance(caught[0].cause, CancelledError), repr(caught[0].cause)
        events = await history(handle)
        same(len(of_kind(events, "workflow_execution_cancel_requested")), 1)
        same(len(of_kind(events, "activity_task_completed")), 1)
        status = WorkflowExecutionStatus.COMPLETED if complete else WorkflowExecutionStatus.CANCELED
        same((await handle.describe()).status, status)


@case
async def cancel_before_first_task(place: Place) -> None:
    queue = place.new_id("later")
    handle = await place.start(Collect.run, task_queue=queue)
    await handle.cancel()
    async with place.worker(queue):
        async with raises(WorkflowFailureError) as caught:
            await handle.result()
    assert is_cancelled_exception(caught[0].cause), repr(caught[0].cause)


@case
async def cancel_of_closed_workflow(place: Place) -> None:
    handle = await place.start(Collect.run, start_signal="finish")
    await handle.result()
    before = await history(handle)
    # Too late, which is no error; but a workflow that never was is one.
    await handle.cancel()
    same(await history(handle), before)
    async with raises(RPCError) as caught:
        await place.client.get_workflow_handle(place.new_id("missing")).cancel()
    same(caught[0].status, RPCStatusCode.NOT_FOUND)


@case
async def terminate_closes_at_once(place: Place) -> None:
    handle = await place.start(Collect.run)
    await handle.terminate("a detail", reason="a reason")
    async with raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught[0].cause, TerminatedError), repr(caught[0].cause)
    same((str(caught[0].cause), list(caught[0].cause.details)), ("a reason", ["a detail"]))
    same((await handle.describe()).status, WorkflowExecutionStatus.TERMINATED)
    async with raises(RPCError) as caught:
        await handle.terminate()
    same(caught[0].status, RPCStatusCode.NOT_FOUND)


@case
async def timeout_of_execution_and_run(place: Place) -> None:
    for options in ({"execution_timeout": timedelta(seconds=1)}, {"run_timeout": timedelta(seconds=1)}):
        handle = await place.start(Collect.run, **options)
        async with raises(WorkflowFailureError) as caught:
            await handle.result()
        assert isinstance(caught[0].cause, TimeoutError), repr(caught[0].cause)
        events = await history(handle)
        took = seconds_between(events[0], events[-1])
        assert 1 <= took < 5, f"timed out after {took} s instead of 1 s"
        same((await handle.describe()).status, WorkflowExecutionStatus.TIMED_OUT)


@case
async def retry_until_a_run_succeeds(place: Place) -> None:
    handle = await place.start(FailUntil.run, 3, False, retry_policy=QUICK_RETRY)
    same(await handle.result(), 3)
    events = await history(place.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id))
    failed = attributes(events[-1])
    same((kind_of(events[-1]), failed.failure.message), ("workflow_execution_failed", "run 1 fails"))
    assert failed.new_execution_run_id, "the failed run names no successor"
    [started] = of_kind(await history(place.client.get_workflow_handle(handle.id)), "workflow_execution_started")
    same((started.attempt, started.continued_failure.message), (3, "run 2 fails"))


@case
async def retry_ends(place: Place) -> None:
    for non_retryable, message in ((False, "run 3 fails"), (True, "run 1 fails")):
        handle = await place.start(FailUntil.run, 9, non_retryable, retry_policy=QUICK_RETRY)
        async with raises(WorkflowFailureError) as caught:
            await handle.result()
        same((caught[0].cause.message, caught[0].cause.type), (message, "RunFailure"))


async def runs_of(place: Place, id: str) -> list:
    """All runs of a workflow id, the oldest first."""
    found = [run async for run in place.client.list_workflows(f"WorkflowId = '{id}'")]
    return sorted(found, key=lambda run: run.start_time)


@case
async def cron_carries_the_result_on(place: Place) -> None:
    for fail_second in (False, True):
        handle = await place.start(Tick.run, fail_second, cron_schedule="@every 1s")

        async def enough():
            closed = [run for run in await runs_of(place, handle.id) if run.close_time]
            return closed if len(closed) >= 4 else None

        runs = await eventually(enough, 40)
        await place.client.get_workflow_handle(handle.id).terminate("enough")
        results = []
        for run in runs[:4]:
            events = await history(place.client.get_workflow_handle(handle.id, run_id=run.run_id))
            [scheduled] = [event for event in events if kind_of(event) == "workflow_task_scheduled"]
            waited = seconds_between(events[0], scheduled)
            # A tick falls on a full second after the start of the one before.
            assert waited < 4, f"the tick came after {waited} s"
            same(run.status, WorkflowExecutionStatus[kind_of(events[-1]).removeprefix("workflow_execution_").upper()])
            completed = kind_of(events[-1]) == "workflow_execution_completed"
            results.append(int(attributes(events[-1]).result.payloads[0].data) if completed else "failed")
        same(results, [1, "failed", 2, 3] if fail_second else [1, 2, 3, 4])


@case
async def cron_ends_by_cancel(place: Place) -> None:
    handle = await place.start(Tick.run, False, cron_schedule="0 0 1 1 *")
    await handle.cancel()
    async with raises(RPCError) as caught:
        await place.start(Tick.run, False, cron_schedule="not a schedule")
    same(caught[0].status, RPCStatusCode.INVALID_ARGUMENT)
    # No worker task may come before the next tick, a year ahead at most: only terminate ends the run now.
    await handle.terminate("cron ends")
    await asyncio.sleep(0.2)
    same((await place.client.get_workflow_handle(handle.id).describe()).status, WorkflowExecutionStatus.TERMINATED)


@case
async def start_delay(place: Place) -> None:
    handle = await place.start(Collect.run, start_delay=timedelta(seconds=1.5))
    # A plain signal waits for the delayed start.
    await handle.signal(Collect.add, "waits")
    await handle.signal(Collect.finish)
    same(await handle.result(), ["waits"])
    events = await history(handle)
    [scheduled] = [event for event in events if kind_of(event) == "workflow_task_scheduled"]
    delay = seconds_between(events[0], scheduled)
    assert 1.5 <= delay < 6, f"the first task came after {delay} s instead of 1.5 s"


@case
async def start_delay_skipped_by_signal_with_start(place: Place) -> None:
    handle = await place.start(Collect.run, start_delay=timedelta(minutes=10))
    await place.start(Collect.run, id=handle.id, start_signal="finish")
    same(await handle.result(), [])


@case
async def id_conflict_policies(place: Place) -> None:
    id = place.new_id("conflict")
    first = await place.start(Collect.run, id=id)
    for options in ({}, {"id_conflict_policy": WorkflowIDConflictPolicy.FAIL}):
        async with raises(WorkflowAlreadyStartedError) as caught:
            await place.start(Collect.run, id=id, **options)
        same((caught[0].workflow_id, caught[0].run_id), (id, first.result_run_id))
    second = await place.start(Collect.run, id=id, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING)
    same(second.result_run_id or second.first_execution_run_id, first.result_run_id)
    third = await place.start(Collect.run, id=id, id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING)
    assert third.result_run_id != first.result_run_id, "no new run"
    async with raises(WorkflowFailureError) as caught:
        await place.client.get_workflow_handle(id, run_id=first.result_run_id).result(follow_runs=False)
    assert isinstance(caught[0].cause, TerminatedError), repr(caught[0].cause)
    await third.signal(Collect.finish)
    await third.result()


@case
async def id_reuse_policies(place: Place) -> None:
    id = place.new_id("reuse")
    start = {"id": id, "start_signal": "finish"}
    await (await place.start(Collect.run, **start)).result()
    for policy in (WorkflowIDReusePolicy.REJECT_DUPLICATE, WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY):
        async with raises(WorkflowAlreadyStartedError):
            await place.start(Collect.run, id=id, id_reuse_policy=policy)
    again = await place.start(Collect.run, id=id)
    await again.terminate("failed now")
    allowed = await place.start(Collect.run, id=id, id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY)
    replaced = await place.start(Collect.run, id=id, id_reuse_policy=WorkflowIDReusePolicy.TERMINATE_IF_RUNNING)
    assert allowed.result_run_id != replaced.result_run_id, "no new run"
    same((await place.client.get_workflow_handle(id, run_id=allowed.result_run_id).describe()).status,
         WorkflowExecutionStatus.TERMINATED)
    await replaced.terminate("done")


@case
async def eager_start(place: Place) -> None:
    handle = await place.start(Collect.run, start_signal=None, request_eager_start=True)
    await handle.signal(Collect.finish)
    same(await handle.result(), [])
    events = await history(handle)
    # The first task comes with the answer to the start, if this process' worker has a free slot.
    same([kind_of(event) for event in events[:3]], [
        "workflow_execution_started", "workflow_task_scheduled", "workflow_task_started",
    ])


@case(uncached=True)
async def history_of_many_events(place: Place) -> None:
    handle = await place.start(ManyEvents.run, 20, 12)
    same(await handle.result(), 240)
    events = await history(handle)
    assert len(events) > 500, f"only {len(events)} events"
    paged = await history(handle, page_size=37)
    same(paged, events)
    last = [event async for event in handle.fetch_history_events(
        event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT)]
    same([event.event_id for event in last], [events[-1].event_id])
    same((await handle.describe()).history_length, len(events))


@case
async def history_waited_for(place: Place) -> None:
    """A long poll for new events gives every event once, until the run is closed."""
    handle = await place.start(Collect.run)
    following = asyncio.create_task(history(handle, wait_new_event=True))
    for n in range(3):
        await asyncio.sleep(0.2)
        await handle.signal(Collect.add, str(n))
    await handle.signal(Collect.finish)
    await handle.result()
    same(await asyncio.wait_for(following, 20), await history(handle))


@case(uncached=True)
async def workflow_code_is_deterministic(place: Place) -> None:
    first, id, patched, second, clock, still = await place.run(Deterministic.run)
    same((patched, clock, still), (True, True, True))
    assert first != second, "the random numbers repeat"


@case(uncached=True)
async def failed_task_is_tried_again(place: Place) -> None:
    handle = await place.start(BadFirstTask.run)
    same(await handle.result(), "mended")
    events = await history(handle)
    [failed] = of_kind(events, "workflow_task_failed")
    assert "a bug" in failed.failure.message, failed.failure.message
    same(of_kind(events, "workflow_task_scheduled")[-1].attempt, 2)


@case
async def summary_and_details(place: Place) -> None:
    handle = await place.start(Collect.run, static_summary="a summary", static_details="the details")
    description = await handle.describe()
    same((await description.static_summary(), await description.static_details()), ("a summary", "the details"))
    await handle.terminate("seen")
