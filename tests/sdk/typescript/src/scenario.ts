import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type Client,
  type WorkflowHandleWithFirstExecutionRunId as Run,
  WorkflowFailedError,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { defaultPayloadConverter, type Payload, type Workflow } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { type NativeConnection, Worker, type WorkerOptions, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import * as activities from './worker/activities';

/** Named things users do with a server, with what must come of them. */
export type Scenario = Record<string, (stage: Stage) => Promise<void>>;

export type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** Generous: on a quiet machine all scenarios together take a third of it. */
const scenarioLimitSeconds = 40;

/** The theater has what all scenarios share, plays them and counts how they end. */
export class Theater {
  passed = 0;
  failed = 0;

  constructor(
    readonly client: Client,
    readonly native: NativeConnection,
    readonly workflowBundle: WorkflowBundleWithSourceMap,
    /** Prefix of all task queues and workflow ids: programs do not meet on a shared server. */
    readonly name: string,
  ) {}

  async play(scenarios: Scenario, taskQueue: string): Promise<void> {
    await Promise.all(
      Object.entries(scenarios).map(async ([name, run]) => {
        const tooLate = pause(scenarioLimitSeconds * 1000, undefined, { ref: false }).then(() => {
          throw new Error(`not done after ${scenarioLimitSeconds} s`);
        });
        try {
          await Promise.race([run(new Stage(this, taskQueue, name)), tooLate]);
          this.passed++;
          console.log(`ok ${name}`);
        } catch (error) {
          this.failed++;
          console.log(`FAIL ${name}: ${error}`);
        }
      }),
    );
  }

  /** Runs a worker for as long as the given work takes. */
  async withWorker<T>(taskQueue: string, options: Partial<WorkerOptions>, work: () => Promise<T>): Promise<T> {
    const worker = await Worker.create({
      connection: this.native,
      namespace: this.client.options.namespace,
      workflowBundle: this.workflowBundle,
      activities,
      taskQueue,
      ...options,
    });
    return await worker.runUntil(work);
  }
}

/** Where one scenario plays: a client, and names of its own. */
export class Stage {
  readonly client: Client;
  /** Of the scenario's workflow, and a prefix for further ones. */
  readonly id: string;

  constructor(
    readonly theater: Theater,
    readonly taskQueue: string,
    scenarioName: string,
  ) {
    this.client = theater.client;
    this.id = `${theater.name}-${scenarioName.replace(/[^a-z0-9]+/gi, '-')}`;
  }

  /** What nearly all starts have in common. */
  options<T extends Workflow>(args: Parameters<T>, more: Partial<WorkflowStartOptions> = {}): WorkflowStartOptions<T> {
    return { workflowId: this.id, taskQueue: this.taskQueue, ...more, args } as unknown as WorkflowStartOptions<T>;
  }

  start<T extends Workflow>(workflow: T, args: Parameters<T>, more: Partial<WorkflowStartOptions> = {}): Promise<Run<T>> {
    return this.client.workflow.start(workflow, this.options<T>(args, more));
  }

  async status(workflowId: string, runId?: string): Promise<string> {
    return (await this.client.workflow.getHandle(workflowId, runId).describe()).status.name;
  }

  async history(workflowId: string, runId?: string): Promise<HistoryEvent[]> {
    return (await this.client.workflow.getHandle(workflowId, runId).fetchHistory()).events ?? [];
  }

  /** Waits for the end of one run, not of its chain, and returns its last event. */
  async closing(workflowId: string, runId: string): Promise<HistoryEvent> {
    await eventually('the run is closed', async () => (await this.status(workflowId, runId)) !== 'RUNNING');
    return (await this.history(workflowId, runId)).at(-1)!;
  }

  async count(query: string): Promise<number> {
    return (await this.client.workflow.count(query)).count;
  }
}

/** Picks the attributes of all events of one type; the attributes' name tells the type. */
export function only<K extends keyof HistoryEvent>(events: HistoryEvent[], attributes: K): NonNullable<HistoryEvent[K]>[] {
  return events.map((event) => event[attributes]).filter((found) => found != null);
}

export function milliseconds(time: { seconds?: unknown; nanos?: number | null } | null | undefined): number {
  return Number(time?.seconds ?? 0) * 1000 + (time?.nanos ?? 0) / 1e6;
}

/** Decodes the first value of what events and descriptions carry. */
export function decode<T>(payloads: { payloads?: Payload[] | null } | null | undefined): T {
  return defaultPayloadConverter.fromPayload<T>(payloads!.payloads![0]!);
}

/** Polls: visibility follows at a small distance, and some things take a moment. */
export async function eventually(what: string, happened: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + scenarioLimitSeconds * 1000;
  while (!(await happened())) {
    assert.ok(Date.now() < end, `in vain waited for: ${what}`);
    await pause(100);
  }
}

export type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;

/** Waits until the only activity of the scenario's workflow is as wanted. */
export async function pending(
  s: Stage,
  what: string,
  wanted: (info: PendingActivity) => boolean,
): Promise<PendingActivity> {
  let found: PendingActivity | undefined;
  await eventually(what, async () => {
    const { raw } = await s.client.workflow.getHandle(s.id).describe();
    found = raw.pendingActivities?.[0];
    return found !== undefined && wanted(found);
  });
  return found!;
}

/** Waits for something that must fail and returns the error. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  const value = await promise.then(
    () => undefined,
    (error) => error ?? new Error('rejected with nothing'),
  );
  assert.ok(value !== undefined, 'this did not fail, against all expectations');
  return value;
}

/** Digs the error of a class out of a chain of causes: the exact failure expected. */
export function cause<E extends Error>(error: unknown, kind: abstract new (...args: never[]) => E): E {
  for (let link = error; link instanceof Error; link = link.cause) {
    if (link instanceof kind) return link;
  }
  assert.fail(`error is ${error}, without a ${kind.name}`);
}

/** The failure of a workflow that must fail: the cause of the given class. */
export async function failed<E extends Error>(run: { result(): Promise<unknown> }, kind: abstract new (...args: never[]) => E): Promise<E> {
  return cause(cause(await failure(run.result()), WorkflowFailedError).cause, kind);
}

export function within(value: number, low: number, high: number, what: string): void {
  assert.ok(value >= low && value <= high, `${what} is ${value}, not between ${low} and ${high}`);
}
