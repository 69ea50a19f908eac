"""Waits until the server answers gRPC calls, and registers namespaces: namespaces.py ADDRESS NAMESPACE..."""

import asyncio
import os
import sys
import time

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import ListNamespacesRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

SECONDS = 30


async def retried(call):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return await call()
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def main(address: str, namespaces: list[str]) -> None:
    client = await retried(lambda: Client.connect(address))
    # Connecting succeeds before some servers are able to serve.
    await retried(lambda: client.workflow_service.list_namespaces(ListNamespacesRequest()))
    for namespace in namespaces:
        retention = Duration(seconds=24 * 3600)
        request = RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
        try:
            await client.workflow_service.register_namespace(request)
        except RPCError as error:
            if error.status != RPCStatusCode.ALREADY_EXISTS:
                raise
        usable = await Client.connect(address, namespace=namespace)
        # A new namespace may take a moment to be known everywhere.
        await retried(usable.count_workflows)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
# Not by the end of the file: threads of the client may still run and can crash a finalizing interpreter.
os._exit(0)
