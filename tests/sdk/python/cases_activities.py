"""Activities: retries, heartbeats, cancels, timeouts, local, eager and asynchronous ones."""

import asyncio
import time
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, TimeoutError, TimeoutType, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from suite import Place, activities, case, eventually, history, kind_of, of_kind, raises, same, seconds_between, workflows

SHORT_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), backoff_coefficient=1.0)
# What asynchronous activities leave behind for the test: task tokens by workflow id.
TOKENS: dict[str, bytes] = {}


@activity.defn
async def echo(value: str) -> str:
    return value


@activity.defn
async def fail_until(attempt: int) -> list:
    """Fails until the given attempt; then returns the attempt and the heartbeat details it was given."""
    info = activity.info()
    if info.attempt < attempt:
        activity.heartbeat({"step": info.attempt}, "note")
        raise ApplicationError(f"attempt {info.attempt} fails", {"attempt": info.attempt}, type="Flaky")
    return [info.attempt, list(info.heartbeat_details)]


@activity.defn
async def fail_for_good() -> None:
    raise ApplicationError("never again", 1, "two", type="Fatal", non_retryable=True)


@activity.defn
async def fail_with_delay() -> float:
    """Asks for its own retry delay once; then returns the seconds since the failure."""
    if activity.info().attempt == 1:
        activity.heartbeat(time.time())
        raise ApplicationError("later", next_retry_delay=timedelta(seconds=1))
    return time.time() - activity.info().heartbeat_details[0]


@activity.defn
async def heartbeat_until_cancelled() -> str:
    try:
        while True:
            activity.heartbeat("alive")
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        # Works on for a moment: the workflow may wait for this, or not.
        await asyncio.sleep(0.2)
        raise


@activity.defn
async def ignore_cancel() -> str:
    """Finishes its work although cancel was requested."""
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return "finished anyway"


@activity.defn
async def sleep_silently(seconds: float) -> None:
    activity.heartbeat("before sleep")
    await asyncio.sleep(seconds)


@activity.defn
async def complete_elsewhere() -> str:
    TOKENS[activity.info().workflow_id] = activity.info().task_token
    activity.raise_complete_async()


activities(
    echo, fail_until, fail_for_good, fail_with_delay, heartbeat_until_cancelled, ignore_cancel, sleep_silently,
    complete_elsewhere,
)


@workflow.defn
class RunActivity:
    """Runs one activity with the options given as plain numbers (seconds, attempts)."""

    @workflow.run
    async def run(self, name: str, args: list, options: dict) -> Any:
        policy = RetryPolicy(
            initial_interval=timedelta(seconds=options.get("interval", 0.1)),
            backoff_coefficient=1.0,
            maximum_attempts=options.get("attempts", 0),
            non_retryable_error_types=options.get("fatal"),
        )
        timeouts = {
            key: timedelta(seconds=options[key])
            for key in ("start_to_close_timeout", "schedule_to_close_timeout", "schedule_to_start_timeout", "heartbeat_timeout")
            if key in options
        }
        if not timeouts:
            timeouts["start_to_close_timeout"] = timedelta(seconds=30)
        return await workflow.execute_activity(
            name,
            args=args,
            retry_policy=policy,
            task_queue=options.get("task_queue"),
            activity_id=options.get("activity_id"),
            **timeouts,
        )


@workflow.defn
class CancelActivity:
    """Cancels a running activity and tells how that ended."""

    def __init__(self) -> None:
        self.cancel = False

    @workflow.signal
    def go(self) -> None:
        self.cancel = True

    @workflow.run
    async def run(self, name: str, kind: int) -> str:
        task = workflow.start_activity(
            name,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=timedelta(seconds=5),
            cancellation_type=ActivityCancellationType(kind),
        )
        await workflow.wait_condition(lambda: self.cancel)
        task.cancel()
        try:
            return await task
        except ActivityError as error:
            return "cancelled" if is_cancelled_exception(error) else f"failed: {error.cause}"
        except asyncio.CancelledError:
            return "cancelled"


@workflow.defn
class LocalActivities:
    @workflow.run
    async def run(self) -> list:
        local = {"start_to_close_timeout": timedelta(seconds=10), "retry_policy": SHORT_RETRY}
        first = await workflow.execute_local_activity(echo, "local", **local)
        second = await workflow.execute_local_activity(fail_until, 3, **local)
        try:
            await workflow.execute_local_activity(fail_for_good, **local)
        except FailureError as error:
            # Recorded without the wrapping ActivityError that a remote activity gets.
            return [first, second[0], error.message]
        return []


@workflow.defn
class ManyActivities:
    @workflow.run
    async def run(self, count: int) -> list:
        return await asyncio.gather(
            *(workflow.execute_activity(echo, str(n), start_to_close_timeout=timedelta(seconds=30)) for n in range(count))
        )


workflows(RunActivity, CancelActivity, LocalActivities, ManyActivities)


async def failure_of(place: Place, name: str, args: list, options: dict) -> tuple[ActivityError, list]:
    """Runs an activity that fails its workflow; returns the error and the history."""
    handle = await place.start(RunActivity.run, name, args, options)
    async with raises(WorkflowFailureError) as caught:
        await handle.result()
    error = caught[0].cause
    assert isinstance(error, ActivityError), repr(error)
    return error, await history(handle)


@case(uncached=True)
async def activity_retries_until_it_succeeds(place: Place) -> None:
    handle = await place.start(RunActivity.run, "fail_until", [3], {})
    same(await handle.result(), [3, [{"step": 2}, "note"]], "attempt and heartbeat details of the one before")
    events = await history(handle)
    same(len(of_kind(events, "activity_task_scheduled")), 1)
    [started] = of_kind(events, "activity_task_started")
    same(started.attempt, 3)
    same(started.last_failure.message, "attempt 2 fails")
    same(started.last_failure.application_failure_info.type, "Flaky")
    same(of_kind(events, "activity_task_failed"), [])


@case
async def activity_retries_exhausted(place: Place) -> None:
    error, events = await failure_of(place, "fail_until", [9], {"attempts": 2})
    same(error.retry_state.name, "MAXIMUM_ATTEMPTS_REACHED")
    same((error.cause.message, error.cause.type), ("attempt 2 fails", "Flaky"))
    same(list(error.cause.details), [{"attempt": 2}])
    same(of_kind(events, "activity_task_started")[0].attempt, 2)


@case
async def activity_failure_not_retryable(place: Place) -> None:
    error, events = await failure_of(place, "fail_for_good", [], {})
    same(error.retry_state.name, "NON_RETRYABLE_FAILURE")
    same((error.cause.message, error.cause.type, error.cause.non_retryable), ("never again", "Fatal", True))
    same(list(error.cause.details), [1, "two"])
    same(of_kind(events, "activity_task_started")[0].attempt, 1)


@case
async def activity_failure_type_not_retryable(place: Place) -> None:
    error, events = await failure_of(place, "fail_until", [5], {"fatal": ["Flaky"]})
    same(error.retry_state.name, "NON_RETRYABLE_FAILURE")
    same(of_kind(events, "activity_task_started")[0].attempt, 1)


@case
async def activity_chooses_its_retry_delay(place: Place) -> None:
    waited = await place.run(RunActivity.run, "fail_with_delay", [], {"interval": 0.01})
    assert 0.9 <= waited < 5, f"retried after {waited} s instead of 1 s"


@case
async def activity_cancel_reaches_it_by_heartbeat(place: Place) -> None:
    for cancellation in ActivityCancellationType:
        handle = await place.start(CancelActivity.run, "heartbeat_until_cancelled", int(cancellation))
        await eventually(lambda: pending_heartbeat(handle))
        await handle.signal(CancelActivity.go)
        same(await handle.result(), "cancelled", cancellation.name)
        events = await history(handle)
        requested = len(of_kind(events, "activity_task_cancel_requested"))
        cancelled = len(of_kind(events, "activity_task_canceled"))
        if cancellation == ActivityCancellationType.ABANDON:
            same((requested, cancelled), (0, 0), "ABANDON")
        elif cancellation == ActivityCancellationType.WAIT_CANCELLATION_COMPLETED:
            same((requested, cancelled), (1, 1), "WAIT_CANCELLATION_COMPLETED")
        else:
            same(requested, 1, "TRY_CANCEL")


async def pending_heartbeat(handle) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return bool(pending) and pending[0].HasField("last_heartbeat_time")


@case
async def activity_may_complete_after_cancel(place: Place) -> None:
    wait = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    handle = await place.start(CancelActivity.run, "ignore_cancel", int(wait))
    await eventually(lambda: pending_heartbeat(handle))
    await handle.signal(CancelActivity.go)
    same(await handle.result(), "finished anyway")
    events = await history(handle)
    same(len(of_kind(events, "activity_task_cancel_requested")), 1)
    same(len(of_kind(events, "activity_task_completed")), 1)


@case
async def activity_start_to_close_timeout(place: Place) -> None:
    error, events = await failure_of(place, "sleep_silently", [20], {"start_to_close_timeout": 0.5, "attempts": 2})
    assert isinstance(error.cause, TimeoutError), repr(error.cause)
    same(error.cause.type, TimeoutType.START_TO_CLOSE)
    same(error.retry_state.name, "MAXIMUM_ATTEMPTS_REACHED")
    [started] = of_kind(events, "activity_task_started")
    same(started.attempt, 2)
    assert started.last_failure.HasField("timeout_failure_info"), "the first attempt's timeout is not the last failure"


@case
async def activity_heartbeat_timeout(place: Place) -> None:
    options = {"start_to_close_timeout": 20, "heartbeat_timeout": 1, "attempts": 1}
    began = time.monotonic()
    error, _ = await failure_of(place, "sleep_silently", [20], options)
    took = time.monotonic() - began
    assert isinstance(error.cause, TimeoutError), repr(error.cause)
    same(error.cause.type, TimeoutType.HEARTBEAT)
    same(list(error.cause.last_heartbeat_details), ["before sleep"])
    assert 1 <= took < 10, f"timed out after {took} s instead of 1 s"


@case
async def activity_schedule_to_start_timeout(place: Place) -> None:
    options = {"schedule_to_start_timeout": 0.5, "start_to_close_timeout": 5, "task_queue": place.new_id("nobody")}
    error, events = await failure_of(place, "echo", ["x"], options)
    same(error.cause.type, TimeoutType.SCHEDULE_TO_START)
    same(of_kind(events, "activity_task_started"), [])


@case
async def activity_schedule_to_close_timeout(place: Place) -> None:
    error, _ = await failure_of(place, "fail_until", [100], {"schedule_to_close_timeout": 1, "interval": 0.4})
    # The server sees that no further attempt fits, and reports the last failure; or the timeout itself.
    same(error.retry_state.name, "TIMEOUT")


@case(uncached=True)
async def activities_local(place: Place) -> None:
    handle = await place.start(LocalActivities.run)
    same(await handle.result(), ["local", 3, "never again"])
    events = await history(handle)
    same([marker.marker_name for marker in of_kind(events, "marker_recorded")], ["core_local_activity"] * 3)
    same(of_kind(events, "activity_task_scheduled"), [])


@case
async def activity_started_eagerly(place: Place) -> None:
    """The first activities come with the answer to the workflow task: started in the moment they are scheduled."""
    handle = await place.start(RunActivity.run, "echo", ["eager"], {})
    same(await handle.result(), "eager")
    events = await history(handle)
    [scheduled] = [event for event in events if kind_of(event) == "activity_task_scheduled"]
    [started] = [event for event in events if kind_of(event) == "activity_task_started"]
    waited = seconds_between(scheduled, started)
    assert 0 <= waited < 0.005, f"started {waited} s after it was scheduled"


@case(uncached=True)
async def activities_in_parallel(place: Place) -> None:
    handle = await place.start(ManyActivities.run, 30)
    same(await handle.result(), [str(n) for n in range(30)])
    same(len(of_kind(await history(handle), "activity_task_completed")), 30)


@case
async def activity_described_while_pending(place: Place) -> None:
    options = {"activity_id": "the-activity", "interval": 600, "start_to_close_timeout": 60, "heartbeat_timeout": 30, "attempts": 5}
    handle = await place.start(RunActivity.run, "fail_until", [2], options)

    async def backing_off():
        [pending] = (await handle.describe()).raw_description.pending_activities or [None]
        return pending if pending and pending.attempt == 2 else None

    pending = await eventually(backing_off)
    same(pending.activity_id, "the-activity")
    same(pending.activity_type.name, "fail_until")
    same(pending.state, PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED)
    same(pending.maximum_attempts, 5)
    same(pending.last_failure.message, "attempt 1 fails")
    same(len(pending.heartbeat_details.payloads), 2)
    assert pending.next_attempt_schedule_time.seconds > time.time() + 500, "the next attempt is due too early"
    same(pending.current_retry_interval.ToSeconds(), 600)
    await handle.terminate("seen enough")

    handle = await place.start(RunActivity.run, "sleep_silently", [3], {"start_to_close_timeout": 60})

    async def started():
        [pending] = (await handle.describe()).raw_description.pending_activities or [None]
        return pending if pending and pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED else None

    pending = await eventually(started)
    same(pending.attempt, 1)
    assert pending.last_worker_identity, "no worker identity"
    assert pending.last_started_time.seconds > 0, "no start time"
    await handle.terminate("seen enough")


async def token_of(handle) -> bytes:
    async def left_behind():
        return TOKENS.get(handle.id)

    return await eventually(left_behind)


@case
async def activity_completed_by_token(place: Place) -> None:
    handle = await place.start(RunActivity.run, "complete_elsewhere", [], {})
    remote = place.client.get_async_activity_handle(task_token=await token_of(handle))
    await remote.heartbeat("halfway")
    await remote.complete("from afar")
    same(await handle.result(), "from afar")


@case
async def activity_completed_by_id(place: Place) -> None:
    handle = await place.start(RunActivity.run, "complete_elsewhere", [], {"activity_id": "by-id"})
    await token_of(handle)
    # Without the run id: the server finds the current run.
    remote = place.client.get_async_activity_handle(workflow_id=handle.id, run_id=None, activity_id="by-id")
    await remote.complete("found")
    same(await handle.result(), "found")


@case
async def activity_failed_and_cancelled_from_outside(place: Place) -> None:
    handle = await place.start(RunActivity.run, "complete_elsewhere", [], {"attempts": 1})
    remote = place.client.get_async_activity_handle(task_token=await token_of(handle))
    await remote.fail(ApplicationError("no luck", type="Remote"))
    async with raises(WorkflowFailureError) as caught:
        await handle.result()
    same(caught[0].cause.cause.message, "no luck")

    wait = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
    handle = await place.start(CancelActivity.run, "complete_elsewhere", int(wait))
    remote = place.client.get_async_activity_handle(task_token=await token_of(handle))
    await handle.signal(CancelActivity.go)

    async def cancel_requested():
        return of_kind(await history(handle), "activity_task_cancel_requested")

    await eventually(cancel_requested)
    await remote.report_cancellation("tidied up")
    same(await handle.result(), "cancelled")


@case
async def activity_with_half_a_megabyte(place: Place) -> None:
    text = "payload!" * 65_536
    same(await place.run(RunActivity.run, "echo", [text], {}), text)
