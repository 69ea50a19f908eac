"""Memo, search attributes, lists and counts."""

from datetime import datetime, timedelta, timezone

from temporalio import workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from cases_messages import Collect
from suite import Place, case, eventually, raises, same, workflows

KEYWORD = SearchAttributeKey.for_keyword("SdkKeyword")
TEXT = SearchAttributeKey.for_text("SdkText")
INT = SearchAttributeKey.for_int("SdkInt")
DOUBLE = SearchAttributeKey.for_float("SdkDouble")
BOOL = SearchAttributeKey.for_bool("SdkBool")
DATETIME = SearchAttributeKey.for_datetime("SdkDatetime")
LIST = SearchAttributeKey.for_keyword_list("SdkList")
KEYS = [KEYWORD, TEXT, INT, DOUBLE, BOOL, DATETIME, LIST]
NOON = datetime(2026, 5, 17, 12, tzinfo=timezone.utc)


async def add_search_attributes(client: Client) -> None:
    """Adds the attributes that are missing, and waits until they can be used."""
    listed = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    missing = {key.name: IndexedValueType.ValueType(int(key.indexed_value_type)) for key in KEYS
               if key.name not in listed.custom_attributes}
    if missing:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )

    async def usable():
        try:
            await client.count_workflows(" AND ".join(f"{key.name} IS NULL" for key in KEYS))
        except RPCError as error:
            same(error.status, RPCStatusCode.INVALID_ARGUMENT)
            return False
        return True

    await eventually(usable, 60)


@workflow.defn
class Upserter:
    """Changes its memo and its search attributes, then waits for the end."""

    def __init__(self) -> None:
        self.finished = False

    @workflow.signal
    def finish(self) -> None:
        self.finished = True

    @workflow.query
    def seen(self) -> list:
        return [workflow.memo(), workflow.info().typed_search_attributes.get(INT)]

    @workflow.run
    async def run(self) -> None:
        workflow.upsert_memo({"changed": "new", "removed": None, "added": [1, 2]})
        workflow.upsert_search_attributes([INT.value_set(43), KEYWORD.value_unset(), BOOL.value_set(True)])
        await workflow.wait_condition(lambda: self.finished)


workflows(Upserter)


def pairs(**values) -> TypedSearchAttributes:
    by_name = {key.name.removeprefix("Sdk").lower(): key for key in KEYS}
    return TypedSearchAttributes([SearchAttributePair(by_name[name], value) for name, value in values.items()])


async def wait_listed(place: Place, query: str, ids: set[str]) -> None:
    """The list is eventually what it should be; and the count agrees."""

    async def listed():
        same({run.id async for run in place.client.list_workflows(query)}, ids, query)
        same((await place.client.count_workflows(query)).count, len(ids), f"count {query}")
        return True

    await eventually(listed)


@case(uncached=True)
async def memo_and_its_upsert(place: Place) -> None:
    handle = await place.start(Upserter.run, memo={"kept": 1, "changed": "old", "removed": True})

    async def changed():
        return "added" in await (await handle.describe()).memo()

    await eventually(changed)
    expected = {"kept": 1, "changed": "new", "added": [1, 2]}
    same(await (await handle.describe()).memo(), expected)
    same((await handle.query(Upserter.seen))[0], expected)

    async def listed():
        [run] = [run async for run in place.client.list_workflows(f"WorkflowId = '{handle.id}'")] or [None]
        return run and await run.memo() == expected

    await eventually(listed)
    await handle.signal(Upserter.finish)
    await handle.result()


@case(uncached=True)
async def search_attributes_and_their_upsert(place: Place) -> None:
    given = pairs(keyword="k", text="some words", int=42, double=1.5, datetime=NOON, list=["a", "b"])
    handle = await place.start(Upserter.run, search_attributes=given)

    async def changed():
        found = (await handle.describe()).typed_search_attributes
        same({pair.key.name: pair.value for pair in found if pair.key in KEYS}, {
            "SdkText": "some words", "SdkInt": 43, "SdkDouble": 1.5, "SdkBool": True, "SdkDatetime": NOON, "SdkList": ["a", "b"],
        })
        return True

    await eventually(changed)
    same((await handle.query(Upserter.seen))[1], 43)
    await wait_listed(place, f"WorkflowId = '{handle.id}' AND SdkInt = 43 AND SdkBool = true AND SdkKeyword IS NULL", {handle.id})
    await handle.signal(Upserter.finish)
    await handle.result()


@case
async def list_filters_of_every_type(place: Place) -> None:
    mark = place.new_id("mark")
    ids = []
    for n in range(4):
        attributes = pairs(
            keyword=mark, int=n, double=n + 0.5, bool=n % 2 == 0, text=f"quick word{n} fox",
            datetime=NOON + timedelta(hours=n), list=["all", f"only{n}"],
        )
        ids.append((await place.start(Collect.run, search_attributes=attributes, memo={"n": n})).id)
    for condition, which in (
        ("", [0, 1, 2, 3]),
        ("SdkInt = 2", [2]),
        ("SdkInt != 2", [0, 1, 3]),
        ("SdkInt >= 1 AND SdkInt < 3", [1, 2]),
        ("SdkInt BETWEEN 1 AND 2", [1, 2]),
        ("SdkInt IN (0, 3, 9)", [0, 3]),
        ("SdkDouble > 1.5", [2, 3]),
        ("SdkBool = true", [0, 2]),
        ("SdkBool = false OR SdkInt = 0", [0, 1, 3]),
        ("SdkText = 'word3'", [3]),
        ("SdkText = 'fox'", [0, 1, 2, 3]),
        ("SdkDatetime > '2026-05-17T13:30:00Z'", [2, 3]),
        ("SdkList = 'only1'", [1]),
        ("SdkList IN ('only0', 'only3')", [0, 3]),
        ("NOT (SdkInt = 1 OR SdkList = 'only2')", [0, 3]),
        ("WorkflowType = 'Collect' AND ExecutionStatus = 'Running'", [0, 1, 2, 3]),
        ("WorkflowType = 'Timers'", []),
        (f"TaskQueue = '{place.task_queue}' AND StartTime > '2020-01-01T00:00:00Z'", [0, 1, 2, 3]),
        ("WorkflowId STARTS_WITH 'Collect-'", [0, 1, 2, 3]),
        ("CloseTime IS NULL", [0, 1, 2, 3]),
    ):
        query = f"SdkKeyword = '{mark}'" + (f" AND ({condition})" if condition else "")
        await wait_listed(place, query, {ids[n] for n in which})

    paged = [run.id async for run in place.client.list_workflows(f"SdkKeyword = '{mark}'", page_size=3)]
    same(sorted(paged), sorted(ids), "list in pages")

    await place.client.get_workflow_handle(ids[0]).signal(Collect.finish)
    await place.client.get_workflow_handle(ids[1]).terminate("counted apart")
    await place.client.get_workflow_handle(ids[0]).result()

    async def grouped():
        counted = await place.client.count_workflows(f"SdkKeyword = '{mark}' GROUP BY ExecutionStatus")
        same(counted.count, 4)
        same({group.group_values[0]: group.count for group in counted.groups}, {"Running": 2, "Completed": 1, "Terminated": 1})
        return True

    await eventually(grouped)
    await wait_listed(place, f"SdkKeyword = '{mark}' AND ExecutionStatus = 'Completed'", {ids[0]})
    [run] = [run async for run in place.client.list_workflows(f"SdkKeyword = '{mark}' AND ExecutionStatus = 'Completed'")]
    same((run.status, run.workflow_type, await run.memo()), (WorkflowExecutionStatus.COMPLETED, "Collect", {"n": 0}))
    same(run.typed_search_attributes[LIST], ["all", "only0"])
    assert run.close_time >= run.start_time, "closed before it started"
    assert run.history_length > 3, "no history length"
    for id in ids[2:]:
        await place.client.get_workflow_handle(id).terminate("listed")


@case
async def queries_that_are_refused(place: Place) -> None:
    for query in ("NoSuchAttribute = 1", "SdkInt >", "SdkInt = 1 ORDER BY SdkInt"):
        async with raises(RPCError) as caught:
            [run async for run in place.client.list_workflows(query)]
        same(caught[0].status, RPCStatusCode.INVALID_ARGUMENT, query)


@case
async def unknown_search_attribute_is_refused(place: Place) -> None:
    unknown = TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword("NoSuchAttribute"), "x")])
    async with raises(RPCError) as caught:
        await place.start(Collect.run, search_attributes=unknown)
    same(caught[0].status, RPCStatusCode.INVALID_ARGUMENT)
