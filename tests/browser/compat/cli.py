#!/usr/bin/env python3
"""The official command line at work: runs its commands against a server and writes down what they print.

    cli.py CLI HOST:PORT [--out FILE] [--only TEXT]

CLI is the official binary. Two servers that behave alike give the same report; `browser compat --compare` says what
differs. A namespace `compat-cli` is created, which must not have been used before, and a worker runs meanwhile.
"""

import argparse
import asyncio
import logging
import os
import re
import shlex
import tempfile

from data import Client, worker
from temporalio.api.workflowservice.v1 import ListNamespacesRequest

NAMESPACE = "compat-cli"
# No command should need more; one that follows a run is ended here, and what it printed until then counts.
SECONDS = 30

# In this order. A command that begins with `!` is repeated until its output holds what stands behind `=>`, since lists
# and the closing of runs lag behind by design; only the last output is reported.
COMMANDS = r"""
operator namespace create --namespace compat-cli --retention 3d --description "Made for a comparison" --email somebody@example.org --data team=storage
!operator namespace describe --namespace compat-cli => compat-cli
operator namespace create --namespace compat-cli
operator namespace describe --namespace compat-cli -o json
operator namespace describe --namespace nowhere
operator namespace update --namespace compat-cli --description "Another description" --retention 4d
operator namespace update --namespace compat-cli --data colour=red
operator namespace update --namespace nowhere --description x
operator namespace describe --namespace compat-cli
operator namespace create --namespace compat-doomed --retention 1h
operator namespace create --namespace compat-doomed --retention 24h
!operator namespace describe --namespace compat-doomed => compat-doomed
operator namespace delete --namespace compat-doomed --yes
!operator namespace describe --namespace compat-doomed => not found
operator namespace delete --namespace nowhere --yes

operator search-attribute create --namespace compat-cli --name CliKeyword --type Keyword --name CliInt --type Int
operator search-attribute create --namespace compat-cli --name CliText --type Text
operator search-attribute create --namespace compat-cli --name CliKeyword --type Keyword
operator search-attribute create --namespace compat-cli --name CliKeyword --type Int
operator search-attribute create --namespace compat-cli --name WorkflowId --type Keyword
!operator search-attribute list --namespace compat-cli => CliKeyword
operator search-attribute list --namespace compat-cli -o json
operator search-attribute remove --namespace compat-cli --name CliText --yes
operator search-attribute remove --namespace compat-cli --name CliText --yes
operator search-attribute remove --namespace compat-cli --name WorkflowId --yes
!workflow count --query "CliKeyword is null and CliInt is null" => Total: 0

operator cluster health
operator cluster describe
operator cluster describe --detail
operator cluster system
operator cluster system -o json
operator cluster list
operator cluster list -o json

workflow start --workflow-id patient --type Patient --task-queue compat --memo team='"storage"' --search-attribute CliKeyword='"red"' --search-attribute CliInt=7
workflow start --workflow-id patient --type Patient --task-queue compat
workflow start --workflow-id patient --type Patient --task-queue compat --id-conflict-policy UseExisting
workflow start --workflow-id odd --type Patient --task-queue compat --search-attribute CliNone='"x"'
workflow start --workflow-id odd --type Patient --task-queue compat --search-attribute CliInt='"x"'
workflow start --workflow-id odd --type Patient --task-queue compat --cron 'not a schedule'
workflow start --workflow-id greeted --type Child --task-queue compat --input '"done"' -o json
workflow start --workflow-id delayed --type Child --task-queue compat --input '"done"' --start-delay 10h
workflow start --workflow-id scheduled --type Child --task-queue compat --input '"done"' --cron '0 0 1 1 *'
workflow start --workflow-id waiting --type Waiting --task-queue compat --static-summary 'A summary' --static-details 'Details'
workflow start --workflow-id stuck --type Stuck --task-queue compat
workflow start --workflow-id lonely --type Patient --task-queue compat-lonely --execution-timeout 10h --run-timeout 5h --task-timeout 20s
workflow execute --workflow-id executed --type Child --task-queue compat --input '"done"'
workflow execute --workflow-id executed --type Child --task-queue compat --input '"done"' --id-reuse-policy RejectDuplicate
workflow execute --workflow-id executed --type Child --task-queue compat --input '"done"' -o json
workflow execute --workflow-id failed --type Failing --task-queue compat --input '"the order"'
workflow execute --workflow-id failed-too --type Failing --task-queue compat --input '"the order"' -o json
workflow execute --workflow-id retried --type Flaky --task-queue compat --execution-timeout 2s
workflow execute --workflow-id continued --type Countdown --task-queue compat --input 2
workflow execute --workflow-id family --type Family --task-queue compat --input 2 --detailed
workflow result --workflow-id executed
workflow result --workflow-id failed
workflow result --workflow-id missing
workflow result --workflow-id continued

!workflow describe --workflow-id waiting => PendingActivities: 3
!workflow describe --workflow-id waiting -o json => heartbeatDetails
workflow describe --workflow-id patient
workflow describe --workflow-id executed
workflow describe --workflow-id failed
workflow describe --workflow-id delayed
workflow describe --workflow-id scheduled
workflow describe --workflow-id lonely
!workflow describe --workflow-id stuck => Attempt
workflow describe --workflow-id patient --reset-points
workflow describe --workflow-id missing
workflow describe --workflow-id executed --raw
workflow show --workflow-id executed
workflow show --workflow-id executed -o json
workflow show --workflow-id failed --detailed
workflow show --workflow-id family
workflow show --workflow-id missing
workflow trace --workflow-id family --no-fold
workflow stack --workflow-id patient
workflow stack --workflow-id lonely
workflow stack --workflow-id executed
workflow metadata --workflow-id waiting
workflow query --workflow-id waiting --type status
workflow query --workflow-id waiting --type status -o json
workflow query --workflow-id waiting --type missing
workflow query --workflow-id executed --type status
workflow query --workflow-id executed --type __stack_trace --reject-condition not_open
workflow query --workflow-id missing --type status
workflow signal --workflow-id waiting --name note --input '"a signal"'
!workflow query --workflow-id waiting --type status => a signal
workflow signal --workflow-id executed --name note
workflow signal --workflow-id missing --name note
workflow signal-with-start --workflow-id signalled --type Patient --task-queue compat --signal-name end
!workflow describe --workflow-id signalled => COMPLETED
workflow signal-with-start --workflow-id waiting --type Waiting --task-queue compat --signal-name note --signal-input '"another"'

!workflow list --query "ExecutionStatus = 'Running' and WorkflowType != 'Child'" => lonely
!workflow count => Total: 17
workflow count --query "ExecutionStatus = 'Running'"
workflow count --query "GROUP BY ExecutionStatus"
workflow count --query "GROUP BY ExecutionStatus" -o json
workflow count --query "Unknown = 'x'"
workflow count --query "GROUP BY WorkflowType"
workflow list --limit 3
workflow list --query "WorkflowId = 'patient'" -o json
workflow list --query "CliKeyword = 'red'"
workflow list --query "CliInt > 3 and ExecutionStatus = 'Running'"
workflow list --query "Unknown = 'x'"
workflow list --query "not a query"
workflow list --query "StartTime > '2020-01-01T00:00:00Z' order by StartTime"
workflow list --query "WorkflowId = 'executed'" -o jsonl
workflow list --archived
workflow list --namespace nowhere

task-queue describe --task-queue compat
task-queue describe --task-queue compat -o json
task-queue describe --task-queue compat --task-queue-type activity
task-queue describe --task-queue compat-lonely --report-stats
task-queue describe --task-queue never-used
task-queue describe --task-queue compat --legacy-mode
task-queue describe --task-queue compat --disable-stats
task-queue list-partition --task-queue compat
task-queue get-build-ids --task-queue compat
task-queue get-build-id-reachability --build-id 1.0
task-queue versioning get-rules --task-queue compat
task-queue config get --task-queue compat --task-queue-type activity
task-queue config set --task-queue compat --task-queue-type activity --queue-rps-limit 100 --queue-rps-limit-reason 'a reason'
task-queue config get --task-queue compat --task-queue-type activity

activity complete --workflow-id waiting --activity-id 3 --result '"done by hand"'
activity complete --workflow-id waiting --activity-id 3 --result '"done by hand"'
activity complete --workflow-id waiting --activity-id missing --result '"done by hand"'
activity complete --workflow-id missing --activity-id 1 --result '"done by hand"'
activity pause --workflow-id waiting --activity-id 1
activity unpause --workflow-id waiting --activity-id 1
activity reset --workflow-id waiting --activity-id 1
activity update-options --workflow-id waiting --activity-id 1 --task-queue compat
activity fail --workflow-id waiting --activity-id 2 --reason 'failed by hand' --detail '"a detail"'
activity fail --workflow-id waiting --activity-id 2 --reason 'failed by hand'
!workflow show --workflow-id waiting => WorkflowExecutionFailed
activity list
activity count
activity describe --activity-id missing

workflow cancel --workflow-id patient
!workflow describe --workflow-id patient => CANCELED
workflow cancel --workflow-id patient
workflow cancel --workflow-id missing
workflow terminate --workflow-id lonely --reason 'no longer needed'
workflow describe --workflow-id lonely
workflow terminate --workflow-id lonely
workflow terminate --workflow-id missing
workflow delete --workflow-id executed
!workflow describe --workflow-id executed => not found
workflow delete --workflow-id missing
workflow pause --workflow-id stuck
workflow unpause --workflow-id stuck
workflow update-options --workflow-id stuck --versioning-override-behavior auto_upgrade
workflow reset --workflow-id continued --type FirstWorkflowTask --reason 'a try'
workflow reset --workflow-id missing --type FirstWorkflowTask --reason 'a try'
workflow update execute --workflow-id stuck --name missing
workflow cancel --query "WorkflowType = 'Nothing'" --yes --reason 'a try'
workflow terminate --query "WorkflowType = 'Nothing'" --yes --reason 'a try'

batch list
batch describe --job-id missing
schedule list
schedule describe --schedule-id missing
worker list
worker deployment list
worker deployment describe --name missing
operator nexus endpoint list
config list
"""

MASKS = [
    (re.compile(pattern), mask)
    for pattern, mask in [
        (r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", "{id}"),
        (r"\b\d+@[\w.-]+(?:@[\w./-]*)?", "{identity}"),
        (r"temporal-cli:[\w@.-]+", "{identity}"),
        (r"127\.0\.0\.1:\d+", "{address}"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "{time}"),
        (r"\b(?:a (?:few|long) .+? ago|(?:\d+|an?) (?:second|minute|hour|day)s? (?:ago|from now)|now)\b", "{span}"),
        (r"-?\b(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:ms|µs|s)\b", "{span}"),
        (r"\b\d+h(?:\d+m)?(?:\d+s)?\b", "{span}"),
        (r"\b[0-9a-f]{32}\b", "{id}"),
        (r'("?(?:taskId|historySizeBytes|stateTransitionCount|durationMillis|tasksAddRate|tasksDispatchRate|backlogIncreaseRate)"?: )"?-?[\d.]+"?', r"\1{number}"),
        (r"(HistorySize|StateTransitionCount)(\s+)\d+", r"\1\2{number}"),
        # The SDK notes its flags in any order.
        (r"(coreUsedFlags\[\d\]: )\d+", r"\1{number}"),
        (r"^(\s+)[1-4],?$", r"\1{number}"),
        # A comma stands behind what is not the last.
        (r"([}\]])?,$", r"\1"),
        (r"-{5,}", "-----"),
        # Rates of the last half minute.
        (r"^(\s*UNVERSIONED\s+\w+\s+\d+\s+\S+\s+).*", r"\1{rates}"),
    ]
]


def masked(line: str) -> str:
    for pattern, mask in MASKS:
        line = pattern.sub(mask, line)
    # Columns are as wide as what stands in them.
    return re.sub(r"\s+", " ", line).strip()


class Commands:
    def __init__(self, cli: str, address: str, home: str) -> None:
        self.cli = cli
        self.address = address
        # Nobody's own settings are read, and nothing is written to them.
        self.environment = {"PATH": os.environ["PATH"], "HOME": home, "TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": NAMESPACE}

    async def run(self, command: str) -> tuple[str, str]:
        """How a command ended, and what it printed."""
        process = await asyncio.create_subprocess_exec(
            self.cli,
            *shlex.split(command),
            "--color",
            "never",
            "--identity",
            "compat-cli",
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
            return "does not end", ""
        return f"status {process.returncode}", output.decode(errors="replace")

    async def report(self, line: str) -> str:
        repeated, line = line.startswith("!"), line.removeprefix("!")
        command, _, awaited = line.partition(" => ")
        end = asyncio.get_running_loop().time() + 2 * SECONDS
        ending, output = await self.run(command)
        while repeated and awaited not in output and asyncio.get_running_loop().time() < end:
            ending, output = await self.run(command)
        facts = [ending]
        if repeated and awaited not in output:
            facts.append(f"never shows {awaited}")
        facts += [f"text {masked(line)}" for line in output.splitlines() if line.strip()]
        return "".join([f"page {command}\n", *(f"  {fact}\n" for fact in facts)])


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("cli")
    arguments.add_argument("address")
    arguments.add_argument("--out")
    arguments.add_argument("--only", default="")
    chosen = arguments.parse_args()
    # What fails here fails on purpose.
    logging.getLogger("temporalio").setLevel(logging.CRITICAL)
    lines = [line for line in COMMANDS.splitlines() if line and chosen.only in line]
    client = await Client.connect(chosen.address, namespace=NAMESPACE, identity="compat-client")
    names = await client.workflow_service.list_namespaces(ListNamespacesRequest(page_size=100))
    made = any(namespace.namespace_info.name == NAMESPACE for namespace in names.namespaces)
    report = ""
    with tempfile.TemporaryDirectory() as home:
        commands = Commands(chosen.cli, chosen.address, home)
        # The worker needs its namespace; the first commands make it.
        while lines and not made:
            report += await commands.report(lines[0])
            made = lines.pop(0).startswith("!operator namespace describe")
        async with worker(client):
            for line in lines:
                report += await commands.report(line)
    if chosen.out:
        with open(chosen.out, "w") as file:
            file.write(report)
    else:
        print(report, end="")


if __name__ == "__main__":
    asyncio.run(main())
