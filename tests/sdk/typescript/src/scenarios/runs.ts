/** How runs begin and end, and how one follows another. */
import assert from 'node:assert/strict';
import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { WorkflowNotFoundError } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { cause, decode, failed, failure, milliseconds, only, type Scenario, type Stage, within } from '../scenario';
import { cleanUp, collect, countDown, failBefore, failForever, nap, number, tick } from '../worker/workflows';
import { quickly } from './activities';

const { RetryState, ContinueAsNewInitiator } = temporal.api.enums.v1;
const hour = 3_600_000;

export async function continuesAsNew(s: Stage): Promise<void> {
  const run = await s.start(countDown, [2, 0]);
  assert.equal(await run.result(), 2);
  assert.equal(await s.status(s.id, run.firstExecutionRunId), 'CONTINUED_AS_NEW');
  const last = await s.client.workflow.getHandle(s.id).describe();
  assert.equal(last.status.name, 'COMPLETED');
  assert.equal(last.raw.workflowExecutionInfo?.firstRunId, run.firstExecutionRunId);
}

export const runScenarios: Scenario = {
  'continue as new, result followed': continuesAsNew,

  'workflow is cancelled and cleans up': async (s) => {
    const run = await s.start(cleanUp, []);
    await run.cancel();
    await failed(run, CancelledFailure);
    assert.equal(await s.status(s.id), 'CANCELLED');
    const done = only(await s.history(s.id), 'activityTaskCompletedEventAttributes').length;
    // A workflow cancelled before its first task never got to the part it cleans up after.
    assert.equal(done, 1);
    await run.cancel(); // of a closed workflow: no harm
  },

  'workflow is terminated': async (s) => {
    const run = await s.start(nap, [hour]);
    await run.terminate('had enough');
    await failed(run, TerminatedFailure);
    assert.equal(await s.status(s.id), 'TERMINATED');
    const [end] = only(await s.history(s.id), 'workflowExecutionTerminatedEventAttributes');
    assert.equal(end.reason, 'had enough');
    cause(await failure(run.terminate('again')), WorkflowNotFoundError);
  },

  'workflow execution timeout': async (s) => {
    // An execution timeout ends the whole chain, whatever the retry policy says.
    const run = await s.start(nap, [hour], { workflowExecutionTimeout: '1s', retry: quickly() });
    await failed(run, TimeoutFailure);
    assert.equal(await s.status(s.id), 'TIMED_OUT');
    const [end] = only(await s.history(s.id), 'workflowExecutionTimedOutEventAttributes');
    assert.equal(end.newExecutionRunId, '');
  },

  'workflow run timeout': async (s) => {
    // A run timeout ends one run, and may be retried.
    const run = await s.start(nap, [hour], { workflowRunTimeout: '1s', retry: quickly(2) });
    await failed(run, TimeoutFailure);
    const [first] = only(await s.history(s.id, run.firstExecutionRunId), 'workflowExecutionTimedOutEventAttributes');
    assert.equal(first.retryState, RetryState.RETRY_STATE_IN_PROGRESS);
    const [second] = only(await s.history(s.id, first.newExecutionRunId!), 'workflowExecutionTimedOutEventAttributes');
    assert.equal(second.retryState, RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED);
  },

  'workflow retries until it completes': async (s) => {
    const run = await s.start(failBefore, [3], { retry: quickly() });
    assert.equal(await run.result(), 3);
    const [started] = only(await s.history(s.id), 'workflowExecutionStartedEventAttributes');
    assert.equal(started.initiator, ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY);
    assert.equal(started.continuedFailure?.message, 'attempt 2 failed');
  },

  'workflow runs out of attempts': async (s) => {
    const run = await s.start(failBefore, [9], { retry: quickly(2) });
    assert.equal((await failed(run, ApplicationFailure)).message, 'attempt 2 failed');
    const [end] = only(await s.history(s.id), 'workflowExecutionFailedEventAttributes');
    assert.equal(end.retryState, RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED);
  },

  'workflow fails non-retryably': async (s) => {
    const run = await s.start(failForever, [], { retry: quickly() });
    assert.equal((await failed(run, ApplicationFailure)).type, 'Hopeless');
    const [end] = only(await s.history(s.id), 'workflowExecutionFailedEventAttributes');
    assert.equal(end.retryState, RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE);
  },

  'cron workflow runs every second': async (s) => {
    const run = await s.start(tick, [], { cronSchedule: '@every 1s' });
    const first = await s.closing(s.id, run.firstExecutionRunId);
    const completed = first.workflowExecutionCompletedEventAttributes!;
    assert.equal(decode(completed.result), 1);
    const second = await s.closing(s.id, completed.newExecutionRunId!);
    const failed = second.workflowExecutionFailedEventAttributes!;
    assert.equal(failed.failure?.message, 'second run failed');
    const third = await s.closing(s.id, failed.newExecutionRunId!);
    assert.equal(decode(third.workflowExecutionCompletedEventAttributes?.result), 101);
    within(milliseconds(third.eventTime) - milliseconds(first.eventTime), 1000, 15_000, 'time for two runs');

    // The next run follows in the same instant in which one ends, so there always
    // is one to terminate. Nothing else would stop the clock.
    await s.client.workflow.getHandle(s.id).terminate('stop the clock');
    assert.equal(await s.status(s.id), 'TERMINATED');
  },

  'start delay': async (s) => {
    const delay = 1200;
    const run = await s.start(countDown, [0, 0], { startDelay: delay });
    const info = await run.describe();
    assert.equal(info.status.name, 'RUNNING');
    within(info.executionTime!.getTime() - info.startTime.getTime(), delay - 1, delay + 1000, 'execution time after start time');
    await run.result();
    const task = (await s.history(s.id)).find((event) => event.workflowTaskScheduledEventAttributes);
    within(milliseconds(task?.eventTime) - info.startTime.getTime(), delay, delay + 2000, 'first task after start');
  },

  'signal-with-start cuts a start delay short': async (s) => {
    const run = await s.start(collect, [2], { startDelay: '1h' });
    await run.signal(number, 1); // a plain signal waits with the workflow
    await s.client.workflow.signalWithStart(collect, { ...s.options<typeof collect>([2]), signal: number, signalArgs: [2] });
    assert.deepEqual(await run.result(), [1, 2]);
  },
};
