"""Workflows of a shop, in every state that a run can be in."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

QUEUE = "shop"
SOON = timedelta(seconds=30)
ONCE = RetryPolicy(maximum_attempts=1)
# More than a JavaScript number can hold.
EXACT = 9007199254740993


@activity.defn(name="reserve-stock")
async def reserve_stock(item: str, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"{item}: reserved"


@activity.defn(name="charge-card")
async def charge_card(order: int, failures: int, seconds: float) -> dict:
    """Fails so many times first."""
    await asyncio.sleep(seconds)
    if activity.info().attempt <= failures:
        raise ApplicationError(
            f"The bank did not answer for order {order}",
            type="BankUnreachable",
            next_retry_delay=timedelta(milliseconds=150),
        )
    return {"order": order, "cents": EXACT}


@activity.defn(name="print-label")
async def print_label(order: int) -> str:
    """Never succeeds; its seventh attempt is hours away."""
    attempt = activity.info().attempt
    activity.heartbeat({"printer": "P-12", "attempt": attempt})
    raise ApplicationError(
        f"Printer P-12 has no paper (order {order})",
        {"tray": 2},
        type="OutOfPaper",
        next_retry_delay=timedelta(hours=5) if attempt == 6 else timedelta(milliseconds=1),
    )


@activity.defn(name="pack")
async def pack(seconds: float) -> bytes:
    await asyncio.sleep(seconds)
    return bytes(range(48))


@workflow.defn
class Checkout:
    """The long story: parallel steps, attempts that fail, a pause, signals, a child."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.signal(description="A remark of the customer")
    async def note(self, text: str) -> None:
        self.notes.append(text)

    @workflow.query(description="The remarks so far")
    def remarks(self) -> list[str]:
        return self.notes

    @workflow.run
    async def run(self, order: int, failures: int, pace: float) -> dict:
        def step(function, *args, summary=None):
            return workflow.start_activity(
                function, args=args, start_to_close_timeout=SOON, summary=summary
            )

        items = ["lamp", "table", "chair"]
        reserved = [step(reserve_stock, item, pace * (1 + at), summary=item) for at, item in enumerate(items)]
        await asyncio.gather(*reserved)
        charged = await step(charge_card, order, failures, pace / 2)
        await workflow.sleep(timedelta(seconds=pace), summary="Let the payment settle")
        await workflow.wait_condition(lambda: bool(self.notes))
        await step(pack, pace)
        await workflow.execute_child_workflow(Delivery.run, order, id=f"{workflow.info().workflow_id}-delivery")
        return charged


@workflow.defn
class Delivery:
    @workflow.run
    async def run(self, order: int) -> str:
        await workflow.execute_activity(pack, 0, start_to_close_timeout=SOON)
        return f"order {order} is on its way"


@workflow.defn
class Approval:
    """Waits until somebody approves."""

    def __init__(self) -> None:
        self.state = "waits"

    @workflow.signal(description="Lets it go on")
    async def approve(self, by: str) -> None:
        self.state = f"approved by {by}"

    @workflow.query(description="How far it is")
    def progress(self) -> dict:
        return {"state": self.state, "exact": EXACT}

    @workflow.run
    async def run(self, what: str) -> str:
        workflow.set_current_details(f"Waits for an approval of **{what}**")
        await workflow.wait_condition(lambda: self.state != "waits")
        return self.state


@workflow.defn
class Reminder:
    @workflow.run
    async def run(self, days: int) -> None:
        await workflow.sleep(timedelta(days=days), summary="Until the guarantee ends")


@workflow.defn
class Label:
    @workflow.run
    async def run(self, order: int) -> str:
        return await workflow.execute_activity(print_label, order, start_to_close_timeout=SOON)


@workflow.defn
class Refund:
    """Always fails, by a number that differs each time."""

    @workflow.run
    async def run(self, order: int) -> None:
        try:
            await workflow.execute_activity(
                charge_card, args=[order, 1, 0], start_to_close_timeout=SOON, retry_policy=ONCE
            )
        except Exception as error:
            raise ApplicationError(f"Order {order} cannot be refunded", type="RefundRefused") from error


@workflow.defn
class Rounds:
    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return "around"


@workflow.defn
class Family:
    @workflow.run
    async def run(self) -> None:
        me = workflow.info().workflow_id
        await workflow.execute_child_workflow(Delivery.run, 7, id=f"{me}-first")
        await workflow.start_child_workflow(Approval.run, "the second child", id=f"{me}-second")
        await workflow.wait_condition(lambda: False)


@workflow.defn
class Report:
    """Its result is whatever it was given."""

    @workflow.run
    async def run(self, size: int) -> dict:
        data = await workflow.execute_activity(pack, 0, start_to_close_timeout=SOON)
        return {"rows": ["a row of the report"] * size, "exact": EXACT, "bytes": len(data)}


WORKFLOWS = [Checkout, Delivery, Approval, Reminder, Label, Refund, Rounds, Family, Report]
ACTIVITIES = [reserve_stock, charge_card, print_label, pack]
