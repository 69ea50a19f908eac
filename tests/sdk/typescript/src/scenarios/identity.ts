/** What happens when a workflow id is used again: while it runs the conflict
 * policy decides, afterwards the reuse policy. */
import assert from 'node:assert/strict';
import { TerminatedFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { cause, failed, failure, type Scenario } from '../scenario';
import { countDown, failForever, nap } from '../worker/workflows';

const hour = 3_600_000;

export const identityScenarios: Scenario = {
  'id conflict: fail': async (s) => {
    const first = await s.start(nap, [hour]);
    cause(await failure(s.start(nap, [hour])), WorkflowExecutionAlreadyStartedError);
    await first.terminate();
  },

  'id conflict: use existing': async (s) => {
    const first = await s.start(nap, [hour]);
    const second = await s.start(nap, [hour], { workflowIdConflictPolicy: 'USE_EXISTING' });
    assert.equal(second.firstExecutionRunId, first.firstExecutionRunId);
    await first.terminate();
  },

  'id conflict: terminate existing': async (s) => {
    const first = await s.start(nap, [hour]);
    const second = await s.start(nap, [1], { workflowIdConflictPolicy: 'TERMINATE_EXISTING' });
    await failed(s.client.workflow.getHandle(s.id, first.firstExecutionRunId), TerminatedFailure);
    await second.result();
    assert.equal(await s.status(s.id, first.firstExecutionRunId), 'TERMINATED');
  },

  'id reuse: allow duplicate': async (s) => {
    const first = await s.start(countDown, [0, 1]);
    assert.equal(await first.result(), 1);
    const second = await s.start(countDown, [0, 2]);
    assert.equal(await second.result(), 2);
    assert.notEqual(second.firstExecutionRunId, first.firstExecutionRunId);
  },

  'id reuse: only after failure': async (s) => {
    const options = { workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY' } as const;
    await failure((await s.start(failForever, [])).result());
    assert.equal(await (await s.start(countDown, [0, 3], options)).result(), 3);
    cause(await failure(s.start(countDown, [0, 4], options)), WorkflowExecutionAlreadyStartedError);
  },

  'id reuse: reject': async (s) => {
    await failure((await s.start(failForever, [])).result());
    const again = s.start(countDown, [0, 0], { workflowIdReusePolicy: 'REJECT_DUPLICATE' });
    cause(await failure(again), WorkflowExecutionAlreadyStartedError);
  },
};
