/** Activities that are completed from outside the worker, and what a description
 * of the workflow tells about activities under way. */
import assert from 'node:assert/strict';
import { ActivityCancelledError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { decode, eventually, failed, milliseconds, pending, type Scenario, type Stage, within } from '../scenario';
import { type Call, cancel, cancelActivity, oneActivity } from '../worker/workflows';
import { quickly } from './activities';

const { PendingActivityState } = temporal.api.enums.v1;

const open: Call = {
  activity: 'leaveOpen',
  arg: 0,
  options: { activityId: 'the one', startToCloseTimeout: '20s', heartbeatTimeout: '10s', retry: quickly(1) },
};

/** Waits for leaveOpen to hand out its token. */
async function token(s: Stage): Promise<Uint8Array> {
  const info = await pending(s, 'a task token in the heartbeat', (info) => info.heartbeatDetails != null);
  return Buffer.from(decode<string>(info.heartbeatDetails), 'base64');
}

export const completionScenarios: Scenario = {
  'activity is completed by token': async (s) => {
    const run = await s.start(oneActivity, [open]);
    await s.client.activity.complete(await token(s), 7);
    assert.equal(await run.result(), 7);
  },

  'activity is completed by id': async (s) => {
    const run = await s.start(oneActivity, [open]);
    await token(s);
    await s.client.activity.complete({ workflowId: s.id, runId: run.firstExecutionRunId, activityId: 'the one' }, 8);
    assert.equal(await run.result(), 8);
  },

  'activity is failed by id': async (s) => {
    const run = await s.start(oneActivity, [open]);
    await token(s);
    const failure = ApplicationFailure.create({ message: 'from outside', type: 'Outside' });
    await s.client.activity.fail({ workflowId: s.id, activityId: 'the one' }, failure);
    const seen = await failed(run, ApplicationFailure);
    assert.equal(seen.message, 'from outside');
    assert.equal(seen.type, 'Outside');
  },

  'activity is heartbeaten and cancelled from outside': async (s) => {
    const run = await s.start(cancelActivity, [open]);
    const taskToken = await token(s);
    await run.signal(cancel);
    // The answer to a heartbeat is how a cancellation travels.
    await eventually('a heartbeat answered with a cancellation', () =>
      s.client.activity.heartbeat(taskToken, 'still here').then(
        () => false,
        (error) => error instanceof ActivityCancelledError,
      ),
    );
    await s.client.activity.reportCancellation(taskToken, 'stopped from outside');
    assert.equal(await run.result(), 'stopped from outside');
  },

  'description of a running activity': async (s) => {
    const run = await s.start(oneActivity, [open]);
    await token(s);
    const info = await pending(s, 'a started activity', (info) => info.state === PendingActivityState.PENDING_ACTIVITY_STATE_STARTED);
    assert.equal(info.activityId, 'the one');
    assert.equal(info.activityType?.name, 'leaveOpen');
    assert.equal(info.attempt, 1);
    assert.equal(info.maximumAttempts, 1);
    within(Date.now() - milliseconds(info.lastHeartbeatTime), 0, 5000, 'age of the last heartbeat');
    await s.client.activity.complete({ workflowId: s.id, activityId: 'the one' }, 9);
    assert.equal(await run.result(), 9);
  },

  'description of a retrying activity': async (s) => {
    const run = await s.start(oneActivity, [
      {
        activity: 'succeedAt',
        arg: 2,
        options: { startToCloseTimeout: '20s', retry: { initialInterval: '1h', maximumInterval: '1h' } },
      },
    ]);
    const info = await pending(s, 'an activity between attempts', (info) => info.attempt === 2);
    const hour = 3_600_000;
    assert.equal(info.state, PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED);
    assert.equal(info.lastFailure?.message, 'attempt 1 failed');
    within(milliseconds(info.currentRetryInterval), hour, hour + 1000, 'retry interval');
    within(milliseconds(info.nextAttemptScheduleTime) - Date.now(), hour - 60_000, hour + 1000, 'time to the next attempt');
    await run.terminate('seen enough');
  },
};
