#!/usr/bin/env python3
"""Starts a run whose input only a codec can read: JSON backwards.

    encoded.py ADDRESS

Prints the id of the run.
"""

import asyncio
import os
import sys

from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue


async def main(address: str) -> None:
    client = await Client.connect(address)
    payload = Payload(metadata={"encoding": b"binary/backwards"}, data='{"price": 9007199254740993}'[::-1].encode())
    handle = await client.start_workflow("Secret", RawValue(payload), id="secret", task_queue="nobody-polls")
    print(handle.first_execution_run_id, flush=True)
    # The threads of the SDK may outlive the interpreter, which then aborts.
    os._exit(0)


asyncio.run(main(sys.argv[1]))
