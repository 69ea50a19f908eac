/** Signals and queries. */
import assert from 'node:assert/strict';
import { QueryNotRegisteredError, QueryRejectedError, WorkflowClient, WorkflowNotFoundError } from '@temporalio/client';
import { cause, failure, type Scenario, type Stage } from '../scenario';
import { collect, number, soFar, trouble } from '../worker/workflows';

export async function queryRunning(s: Stage): Promise<void> {
  const count = 10;
  const run = await s.start(collect, [count]);
  for (let n = 0; n < count - 1; n++) {
    await run.signal(number, n);
    // A query is answered after all that was accepted before it.
    assert.equal((await run.query(soFar, 0)).length, n + 1);
  }
  assert.deepEqual(await run.query(soFar, 7), [7, 8]);
  await run.signal(number, 9);
  assert.equal((await run.result()).length, count);
}

export async function queryClosed(s: Stage): Promise<void> {
  const run = await s.start(collect, [2]);
  await run.signal(number, 1);
  await run.signal(number, 2);
  await run.result();
  assert.deepEqual(await run.query(soFar, 2), [2]);
}

export const messageScenarios: Scenario = {
  'signals arrive in order': async (s) => {
    const run = await s.start(collect, [20]);
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    for (const n of numbers) await run.signal(number, n);
    assert.deepEqual(await run.result(), numbers);
  },

  'signals before the first task': async (s) => {
    const taskQueue = `${s.taskQueue}-opens-late`;
    const run = await s.start(collect, [3], { taskQueue });
    for (const n of [0, 1, 2]) await run.signal(number, n);
    const numbers = await s.theater.withWorker(taskQueue, {}, () => run.result());
    assert.deepEqual(numbers, [0, 1, 2]);
  },

  'signal-with-start starts once': async (s) => {
    const signal = (n: number) =>
      s.client.workflow.signalWithStart(collect, { ...s.options<typeof collect>([2]), signal: number, signalArgs: [n] });
    const first = await signal(1);
    const second = await signal(2);
    assert.equal(second.signaledRunId, first.signaledRunId);
    assert.deepEqual(await first.result(), [1, 2]);

    // The signal stands in history before the first task, so no task ever runs
    // without it.
    const events = await s.history(s.id, first.signaledRunId);
    assert.ok(events[1].workflowExecutionSignaledEventAttributes, 'second event is not the signal');

    // Once the workflow is closed the same call starts another.
    const third = await signal(3);
    assert.notEqual(third.signaledRunId, first.signaledRunId);
    await signal(4);
    assert.deepEqual(await third.result(), [3, 4]);
  },

  'signal to a closed or unknown workflow': async (s) => {
    const run = await s.start(collect, [0]);
    await run.result();
    cause(await failure(run.signal(number, 1)), WorkflowNotFoundError);
    cause(await failure(s.client.workflow.getHandle(`${s.id}-nobody`).signal(number, 1)), WorkflowNotFoundError);
  },

  'query of a running workflow sees every earlier signal': queryRunning,
  'query of a closed workflow': queryClosed,

  'query that fails': async (s) => {
    const run = await s.start(collect, [1]);
    // The SDK has no class for a failed query as such: it is recognized by its text.
    assert.match(String(await failure(run.query(trouble))), /asked for trouble/);
    assert.match(cause(await failure(run.query('riddle')), QueryNotRegisteredError).message, /riddle/);
    const nobody = s.client.workflow.getHandle(`${s.id}-nobody`);
    cause(await failure(nobody.query(soFar, 0)), WorkflowNotFoundError);

    // Failing queries leave the workflow as it was.
    await run.signal(number, 5);
    assert.deepEqual(await run.result(), [5]);
  },

  'query rejected by status': async (s) => {
    await (await s.start(collect, [0])).result();
    const picky = new WorkflowClient({
      connection: s.client.connection,
      namespace: s.client.options.namespace,
      queryRejectCondition: 'NOT_OPEN',
    });
    cause(await failure(picky.getHandle(s.id).query(soFar, 0)), QueryRejectedError);
  },
};
