"""Child workflows, and signals and cancels sent from one workflow to another."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, ChildWorkflowError, TimeoutError, WorkflowAlreadyStartedError, is_cancelled_exception
from temporalio.service import RPCError
from temporalio.workflow import ParentClosePolicy

from cases_messages import Collect
from suite import Place, case, eventually, history, of_kind, raises, same, workflows


@workflow.defn
class Child:
    """A child that ends in the way asked for."""

    @workflow.run
    async def run(self, how: str) -> str:
        if how == "complete":
            return f"child of {workflow.info().parent.workflow_id}"
        if how == "fail":
            raise ApplicationError("child failed", "detail", type="ChildFailure", non_retryable=True)
        if how.startswith("continue"):
            left = int(how.removeprefix("continue"))
            if left:
                workflow.continue_as_new(f"continue{left - 1}")
            return "end of the chain"
        await asyncio.sleep(600)
        return "woke up"


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, how: str, child_id: str) -> str:
        options = {"id": child_id}
        if how == "time out":
            options["execution_timeout"] = timedelta(seconds=1)
        return await workflow.execute_child_workflow(Child.run, how, **options)


@workflow.defn
class CancellingParent:
    @workflow.run
    async def run(self, child_id: str) -> str:
        child = await workflow.start_child_workflow(Child.run, "sleep", id=child_id)
        child.cancel()
        try:
            await child
        except ChildWorkflowError as error:
            return "cancelled" if is_cancelled_exception(error) else str(error.cause)
        return "completed"


@workflow.defn
class LeavingParent:
    """Starts a child and ends before it."""

    @workflow.run
    async def run(self, child_id: str, policy: int) -> str:
        child = await workflow.start_child_workflow(
            Child.run, "sleep", id=child_id, parent_close_policy=ParentClosePolicy(policy)
        )
        return child.first_execution_run_id


@workflow.defn
class DuplicatingParent:
    @workflow.run
    async def run(self, taken_id: str) -> str:
        try:
            await workflow.start_child_workflow(Child.run, "complete", id=taken_id)
        except WorkflowAlreadyStartedError as error:
            return f"taken: {error.workflow_id}"
        return "started"


@workflow.defn
class ManyChildren:
    @workflow.run
    async def run(self, count: int) -> int:
        results = await asyncio.gather(*(workflow.execute_child_workflow(Child.run, "complete") for _ in range(count)))
        return len(results)


@workflow.defn
class Outsider:
    """Signals or cancels a workflow that is not its child."""

    @workflow.run
    async def run(self, what: str, target: str) -> str:
        handle = workflow.get_external_workflow_handle(target)
        try:
            if what == "signal":
                await handle.signal("add", "from outside")
                await handle.signal("finish")
            else:
                await handle.cancel()
        except ApplicationError as error:
            return f"failed: {error.type or error.message}"
        return "done"


@workflow.defn
class SignallingParent:
    """Talks to its child by signals while it runs."""

    @workflow.run
    async def run(self) -> list[str]:
        child = await workflow.start_child_workflow(Collect.run)
        for n in range(3):
            await child.signal(Collect.add, str(n))
        await child.signal(Collect.finish)
        return await child


workflows(Child, Parent, CancellingParent, LeavingParent, DuplicatingParent, ManyChildren, Outsider, SignallingParent)


async def child_error(place: Place, how: str) -> tuple[ChildWorkflowError, str]:
    child_id = place.new_id("child")
    async with raises(WorkflowFailureError) as caught:
        await place.run(Parent.run, how, child_id)
    error = caught[0].cause
    assert isinstance(error, ChildWorkflowError), repr(error)
    same(error.workflow_id, child_id)
    return error, child_id


@case(uncached=True)
async def child_completes(place: Place) -> None:
    handle = await place.start(Parent.run, "complete", place.new_id("child"))
    same(await handle.result(), f"child of {handle.id}")
    events = await history(handle)
    [completed] = of_kind(events, "child_workflow_execution_completed")
    [started] = of_kind(events, "child_workflow_execution_started")
    same(completed.workflow_execution.run_id, started.workflow_execution.run_id)
    child = place.client.get_workflow_handle(started.workflow_execution.workflow_id)
    [began] = of_kind(await history(child), "workflow_execution_started")
    same(began.parent_workflow_execution.workflow_id, handle.id)
    same(began.parent_initiated_event_id, completed.initiated_event_id)
    description = await child.describe()
    same((description.parent_id, description.root_id), (handle.id, handle.id))


@case
async def child_fails(place: Place) -> None:
    error, _ = await child_error(place, "fail")
    same((error.cause.message, error.cause.type, list(error.cause.details)), ("child failed", "ChildFailure", ["detail"]))
    same(error.retry_state.name, "RETRY_POLICY_NOT_SET")


@case
async def child_times_out(place: Place) -> None:
    error, child_id = await child_error(place, "time out")
    assert isinstance(error.cause, TimeoutError), repr(error.cause)
    same((await place.client.get_workflow_handle(child_id).describe()).status, WorkflowExecutionStatus.TIMED_OUT)


@case(uncached=True)
async def child_cancelled_by_parent(place: Place) -> None:
    child_id = place.new_id("child")
    handle = await place.start(CancellingParent.run, child_id)
    same(await handle.result(), "cancelled")
    same(len(of_kind(await history(handle), "child_workflow_execution_canceled")), 1)
    same((await place.client.get_workflow_handle(child_id).describe()).status, WorkflowExecutionStatus.CANCELED)


@case
async def child_cancelled_with_parent(place: Place) -> None:
    child_id = place.new_id("child")
    handle = await place.start(Parent.run, "sleep", child_id)

    async def parent_waits():
        # The parent's second task: it has seen that the child started, and waits for the result.
        return len(of_kind(await history(handle), "workflow_task_completed")) == 2

    await eventually(parent_waits)
    await handle.cancel()
    async with raises(WorkflowFailureError) as caught:
        await handle.result()
    assert is_cancelled_exception(caught[0].cause), repr(caught[0].cause)
    same((await place.client.get_workflow_handle(child_id).describe()).status, WorkflowExecutionStatus.CANCELED)


@case
async def child_terminated(place: Place) -> None:
    child_id = place.new_id("child")
    handle = await place.start(Parent.run, "sleep", child_id)

    async def terminated():
        try:
            await place.client.get_workflow_handle(child_id).terminate("by hand")
        except RPCError:
            return False
        return True

    await eventually(terminated)
    async with raises(WorkflowFailureError):
        await handle.result()
    same(len(of_kind(await history(handle), "child_workflow_execution_terminated")), 1)


@case
async def child_continues_as_new(place: Place) -> None:
    handle = await place.start(Parent.run, "continue2", place.new_id("child"))
    same(await handle.result(), "end of the chain")
    events = await history(handle)
    [started] = of_kind(events, "child_workflow_execution_started")
    [completed] = of_kind(events, "child_workflow_execution_completed")
    assert started.workflow_execution.run_id != completed.workflow_execution.run_id, "the chain had a single run"


@case
async def child_with_taken_id(place: Place) -> None:
    other = await place.start(Collect.run)
    same(await place.run(DuplicatingParent.run, other.id), f"taken: {other.id}")
    await other.signal(Collect.finish)
    await other.result()


@case
async def children_after_parent_closed(place: Place) -> None:
    for policy, status in (
        (ParentClosePolicy.ABANDON, WorkflowExecutionStatus.RUNNING),
        (ParentClosePolicy.TERMINATE, WorkflowExecutionStatus.TERMINATED),
        (ParentClosePolicy.REQUEST_CANCEL, WorkflowExecutionStatus.CANCELED),
    ):
        child = place.client.get_workflow_handle(place.new_id("child"))
        first_run = await place.run(LeavingParent.run, child.id, int(policy))

        async def settled():
            description = await child.describe()
            same(description.run_id, first_run)
            same(description.status, status, policy.name)
            return True

        await eventually(settled)
        if policy == ParentClosePolicy.ABANDON:
            await asyncio.sleep(0.3)
            await settled()
            await child.terminate("left behind")
        if policy == ParentClosePolicy.TERMINATE:
            [terminated] = of_kind(await history(child), "workflow_execution_terminated")
            same(terminated.reason, "by parent close policy")


@case(uncached=True)
async def children_in_parallel(place: Place) -> None:
    same(await place.run(ManyChildren.run, 12), 12)


@case(uncached=True)
async def child_signalled_by_parent(place: Place) -> None:
    same(await place.run(SignallingParent.run), ["0", "1", "2"])


@case
async def external_workflow_signalled(place: Place) -> None:
    target = await place.start(Collect.run)
    handle = await place.start(Outsider.run, "signal", target.id)
    same(await handle.result(), "done")
    same(await target.result(), ["from outside"])
    same(len(of_kind(await history(handle), "external_workflow_execution_signaled")), 2)


@case
async def external_workflow_cancelled(place: Place) -> None:
    target = await place.start(Child.run, "sleep")
    handle = await place.start(Outsider.run, "cancel", target.id)
    same(await handle.result(), "done")
    same(len(of_kind(await history(handle), "external_workflow_execution_cancel_requested")), 1)
    async with raises(WorkflowFailureError) as caught:
        await target.result()
    assert is_cancelled_exception(caught[0].cause), repr(caught[0].cause)
    [requested] = of_kind(await history(target), "workflow_execution_cancel_requested")
    same(requested.external_workflow_execution.workflow_id, handle.id)


@case
async def external_workflow_missing(place: Place) -> None:
    for what in ("signal", "cancel"):
        result = await place.run(Outsider.run, what, place.new_id("missing"))
        assert result.startswith("failed"), f"{what}: {result}"
