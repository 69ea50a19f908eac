"""A run that says hostile things in every field that a user controls."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

# Breaks out of text, attributes, comments, scripts and templates, and holds what means something in URLs.
HOSTILE = "\"'></title></textarea><script>alert(1)</script><img src=x onerror=alert(2)><svg/onload=alert(3)>{{7*7}}"
LINK = "[a](javascript:alert(4)) <a href=\"javascript:alert(5)\">b</a> ![c](x\" onerror=\"alert(6))"
PATH = f"../{HOSTILE}?a=b&c#d%2F%"
QUEUE = f"q{HOSTILE}"


@activity.defn(name=f"a{HOSTILE}")
async def fails(text: str) -> None:
    activity.heartbeat(text)
    raise ApplicationError(HOSTILE, HOSTILE, type=HOSTILE, next_retry_delay=timedelta(hours=5))


@workflow.defn(name=f"w{HOSTILE}")
class Hostile:
    @workflow.signal(name=HOSTILE, description=HOSTILE)
    async def signal(self, text: str) -> None:
        pass

    @workflow.query(name=HOSTILE, description=HOSTILE)
    def query(self) -> str:
        return HOSTILE

    @workflow.run
    async def run(self, text: str) -> None:
        workflow.set_current_details(LINK + HOSTILE)
        workflow.start_activity(
            fails, text, start_to_close_timeout=timedelta(seconds=10), activity_id=HOSTILE, summary=LINK + HOSTILE
        )
        await workflow.start_child_workflow(Victim.run, text, id=PATH + "child", static_summary=HOSTILE)
        await workflow.sleep(timedelta(hours=5), summary=LINK + HOSTILE)


@workflow.defn(name=f"v{HOSTILE}")
class Victim:
    @workflow.run
    async def run(self, text: str) -> None:
        try:
            await workflow.execute_activity(
                fails, text, start_to_close_timeout=timedelta(seconds=10), retry_policy=RetryPolicy(maximum_attempts=1)
            )
        except Exception as error:
            raise ApplicationError(HOSTILE, HOSTILE, type=HOSTILE) from error


WORKFLOWS = [Hostile, Victim]
ACTIVITIES = [fails]
