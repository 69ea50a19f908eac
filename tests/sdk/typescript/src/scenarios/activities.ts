import assert from 'node:assert/strict';
import { ActivityFailure, ApplicationFailure, type RetryPolicy, TimeoutFailure } from '@temporalio/common';
import { failed, only, pending, type Scenario } from '../scenario';
import { cancel, cancelActivity, localActivity, oneActivity } from '../worker/workflows';

/** Retries without the leisurely pauses of the default policy. */
export function quickly(maximumAttempts?: number): RetryPolicy {
  return { initialInterval: 50, maximumAttempts };
}

export const activityScenarios: Scenario = {
  'activity retries until it succeeds': async (s) => {
    const run = await s.start(oneActivity, [
      { activity: 'succeedAt', arg: 3, options: { startToCloseTimeout: '20s', retry: quickly() } },
    ]);
    assert.equal(await run.result(), 3);

    // However many attempts there were, history has one start: the last one,
    // which tells why there was a retry.
    const starts = only(await s.history(s.id), 'activityTaskStartedEventAttributes');
    assert.equal(starts.length, 1);
    assert.equal(starts[0].attempt, 3);
    assert.equal(starts[0].lastFailure?.message, 'attempt 2 failed');
  },

  'activity runs out of attempts': async (s) => {
    const run = await s.start(oneActivity, [
      { activity: 'succeedAt', arg: 9, options: { startToCloseTimeout: '20s', retry: quickly(2) } },
    ]);
    assert.equal((await failed(run, ActivityFailure)).retryState, 'MAXIMUM_ATTEMPTS_REACHED');
    const failure = await failed(run, ApplicationFailure);
    assert.equal(failure.message, 'attempt 2 failed');
    assert.equal(failure.type, 'TooEarly');
    assert.deepEqual(failure.details, [2]);
  },

  'activity fails non-retryably': async (s) => {
    const run = await s.start(oneActivity, [
      { activity: 'failForGood', arg: 0, options: { startToCloseTimeout: '20s', retry: quickly() } },
    ]);
    assert.equal((await failed(run, ActivityFailure)).retryState, 'NON_RETRYABLE_FAILURE');
    assert.equal((await failed(run, ApplicationFailure)).message, 'no use trying');
  },

  'activity error type listed as non-retryable': async (s) => {
    const retry = { ...quickly(), nonRetryableErrorTypes: ['TooEarly'] };
    const run = await s.start(oneActivity, [{ activity: 'succeedAt', arg: 2, options: { startToCloseTimeout: '20s', retry } }]);
    assert.equal((await failed(run, ActivityFailure)).retryState, 'NON_RETRYABLE_FAILURE');
    assert.equal((await failed(run, ApplicationFailure)).message, 'attempt 1 failed');
  },

  'heartbeat details reach the next attempt': async (s) => {
    const run = await s.start(oneActivity, [
      { activity: 'resume', arg: 41, options: { startToCloseTimeout: '20s', heartbeatTimeout: '3s', retry: quickly(3) } },
    ]);
    assert.equal(await run.result(), 41);
  },

  'start-to-close timeout': async (s) => {
    const run = await s.start(oneActivity, [
      { activity: 'oversleep', arg: 1500, options: { startToCloseTimeout: '1s', retry: quickly(2) } },
    ]);
    assert.equal((await failed(run, ActivityFailure)).retryState, 'MAXIMUM_ATTEMPTS_REACHED');
    assert.equal((await failed(run, TimeoutFailure)).timeoutType, 'START_TO_CLOSE');
    const starts = only(await s.history(s.id), 'activityTaskStartedEventAttributes');
    assert.equal(starts[0].attempt, 2);
    assert.ok(starts[0].lastFailure?.timeoutFailureInfo, 'the first attempt timed out as well');
  },

  'heartbeat timeout': async (s) => {
    const run = await s.start(oneActivity, [
      { activity: 'beatAndStall', arg: 42, options: { startToCloseTimeout: '20s', heartbeatTimeout: '1s', retry: quickly(1) } },
    ]);
    const timeout = await failed(run, TimeoutFailure);
    assert.equal(timeout.timeoutType, 'HEARTBEAT');
    assert.equal(timeout.lastHeartbeatDetails, 42);
  },

  'schedule-to-start timeout': async (s) => {
    const run = await s.start(oneActivity, [
      {
        activity: 'oversleep',
        arg: 0,
        options: { taskQueue: `${s.taskQueue}-deserted`, scheduleToStartTimeout: '1s', startToCloseTimeout: '20s' },
      },
    ]);
    assert.equal((await failed(run, TimeoutFailure)).timeoutType, 'SCHEDULE_TO_START');
  },

  'schedule-to-close timeout ends the retries': async (s) => {
    const retry: RetryPolicy = { initialInterval: '3s', backoffCoefficient: 1 };
    const run = await s.start(oneActivity, [
      { activity: 'succeedAt', arg: 99, options: { scheduleToCloseTimeout: '5s', retry } },
    ]);
    // The failure is the activity's own: a third attempt would come too late,
    // and the server says so right after the second.
    assert.equal((await failed(run, ActivityFailure)).retryState, 'TIMEOUT');
    assert.equal((await failed(run, ApplicationFailure)).message, 'attempt 2 failed');
  },

  'activity learns of its cancellation by heartbeat': async (s) => {
    const run = await s.start(cancelActivity, [
      { activity: 'beatUntilCancelled', arg: 0, options: { startToCloseTimeout: '20s', heartbeatTimeout: '1s' } },
    ]);
    await pending(s, 'a heartbeat', (info) => info.lastHeartbeatTime != null);
    await run.signal(cancel);
    assert.equal(await run.result(), 'tidied up');
    const events = await s.history(s.id);
    assert.equal(only(events, 'activityTaskCancelRequestedEventAttributes').length, 1);
    assert.equal(only(events, 'activityTaskCanceledEventAttributes').length, 1);
  },

  'activity is cancelled before it starts': async (s) => {
    const run = await s.start(cancelActivity, [
      { activity: 'oversleep', arg: 0, options: { taskQueue: `${s.taskQueue}-deserted`, startToCloseTimeout: '20s' } },
    ]);
    await pending(s, 'a scheduled activity', () => true);
    await run.signal(cancel);
    await run.result();
    const events = await s.history(s.id);
    assert.equal(only(events, 'activityTaskCanceledEventAttributes').length, 1);
    assert.equal(only(events, 'activityTaskStartedEventAttributes').length, 0);
  },

  'local activity retries': async (s) => {
    const run = await s.start(localActivity, [0]);
    assert.equal(await run.result(), 3);
    const events = await s.history(s.id);
    assert.equal(only(events, 'markerRecordedEventAttributes').length, 1);
    assert.equal(only(events, 'activityTaskScheduledEventAttributes').length, 0);
  },

  // A local activity that takes longer than a workflow task may is kept alive by
  // completing the task and asking for a new one at once.
  'local activity outlives its workflow task': async (s) => {
    const run = await s.start(localActivity, [9000], { workflowTaskTimeout: '10s' });
    assert.equal(await run.result(), 3);
    const events = await s.history(s.id);
    assert.equal(only(events, 'workflowTaskTimedOutEventAttributes').length, 0);
    assert.ok(only(events, 'workflowTaskCompletedEventAttributes').length >= 2, 'too few workflow tasks');
  },
};
