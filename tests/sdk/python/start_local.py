"""The SDK's test environment starts the server's binary itself, as it would start a development server."""

import os
import socket
import tempfile
import urllib.request
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.testing import WorkflowEnvironment

from cases_messages import Collect
from cases_visibility import INT, KEYWORD
from suite import Place, eventually, same


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@asynccontextmanager
async def environment(**options):
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=os.environ["STEADFAST_BINARY"],
        dev_server_startup_timeout=timedelta(seconds=20),
        search_attributes=[INT, KEYWORD],
        **options,
    ) as started:
        yield Place(started.client, "local", max_cached_workflows=100)


async def start_local_runs_a_workflow() -> None:
    ui_port = free_port()
    async with environment(namespace="a-namespace", ui=True, ui_port=ui_port, port=free_port()) as place, place.worker():
        given = TypedSearchAttributes([SearchAttributePair(INT, 7), SearchAttributePair(KEYWORD, "local")])
        handle = await place.start(Collect.run, start_signal="add", start_signal_args=["x"], search_attributes=given)
        same(await handle.query(Collect.collected), ["x"])
        await handle.signal(Collect.finish)
        same(await handle.result(), ["x"])

        async def listed():
            return [run async for run in place.client.list_workflows("SdkInt = 7 AND SdkKeyword = 'local'")]

        same([run.id for run in await eventually(listed)], [handle.id])
        with urllib.request.urlopen(f"http://127.0.0.1:{ui_port}/", timeout=10) as answer:
            same(answer.status, 200, "web UI")


async def start_local_keeps_its_data() -> None:
    """With a database file, what one server was told is known to the next; the first is ended by SIGKILL."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "data")
        async with environment(dev_server_database_filename=file) as place, place.worker():
            closed = await place.start(Collect.run, start_signal="finish")
            await closed.result()
            running = await place.start(Collect.run)
            await running.signal(Collect.add, "before")
            same(await running.query(Collect.collected), ["before"])
        async with environment(dev_server_database_filename=file) as place, place.worker():
            same(await place.client.get_workflow_handle(closed.id).result(), [])
            again = place.client.get_workflow_handle_for(Collect.run, running.id)
            await again.signal(Collect.add, "after")
            await again.signal(Collect.finish)
            same(await again.result(), ["before", "after"])


CASES = [start_local_runs_a_workflow, start_local_keeps_its_data]
