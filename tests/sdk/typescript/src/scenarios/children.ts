/** Child workflows, and workflows that reach out to others. */
import assert from 'node:assert/strict';
import { ApplicationFailure, CancelledFailure, ChildWorkflowFailure, TemporalFailure, TerminatedFailure } from '@temporalio/common';
import { eventually, failed, only, type Scenario, type Stage } from '../scenario';
import { type Birth, canceller, cancellingParent, child, goOn, leavingParent, parent, sender } from '../worker/workflows';
import { quickly } from './activities';

export async function childCompletes(s: Stage): Promise<void> {
  const run = await s.start(parent, ['complete', { workflowId: `${s.id}-child` }]);
  assert.deepEqual(await run.result(), { attempt: 1, parentId: s.id, parentRun: run.firstExecutionRunId });
  const events = await s.history(s.id);
  assert.equal(only(events, 'childWorkflowExecutionStartedEventAttributes').length, 1);
  assert.equal(only(events, 'childWorkflowExecutionCompletedEventAttributes').length, 1);
}

export const childScenarios: Scenario = {
  'child completes': childCompletes,

  'child fails': async (s) => {
    const run = await s.start(parent, ['fail', { workflowId: `${s.id}-child` }]);
    assert.equal((await failed(run, ChildWorkflowFailure)).execution.workflowId, `${s.id}-child`);
    const failure = await failed(run, ApplicationFailure);
    assert.equal(failure.type, 'Naughty');
    assert.equal(failure.message, 'naughty child');
  },

  'child retries': async (s) => {
    const run = await s.start(parent, ['fail once', { workflowId: `${s.id}-child`, retry: quickly(3) }]);
    assert.equal((await run.result()).attempt, 2);
  },

  'child continues as new': async (s) => {
    const run = await s.start(parent, ['continue', { workflowId: `${s.id}-child` }]);
    // The parent sees the whole chain as one child.
    assert.equal((await run.result()).parentRun, run.firstExecutionRunId);
  },

  'child is cancelled by its parent': async (s) => {
    const id = `${s.id}-child`;
    const run = await s.start(cancellingParent, ['wait', { workflowId: id }]);
    await failed(run, CancelledFailure);
    assert.equal(await s.status(id), 'CANCELLED');
  },

  'child is terminated': async (s) => {
    const run = await s.start(parent, ['wait', { workflowId: `${s.id}-child` }]);
    const born = s.client.workflow.getHandle(`${s.id}-child`);
    await eventually('a running child', () =>
      born.terminate('enough').then(
        () => true,
        () => false,
      ),
    );
    await failed(run, ChildWorkflowFailure);
    await failed(run, TerminatedFailure);
  },

  'child id is taken': async (s) => {
    const id = `${s.id}-child`;
    const first = await s.start(child, ['wait'], { workflowId: id });
    const run = await s.start(parent, ['complete', { workflowId: id }]);
    assert.match((await failed(run, TemporalFailure)).message, /already started/);
    await first.signal(goOn);
    await first.result();
  },

  'parent close policies': async (s) => {
    const policies = ['ABANDON', 'TERMINATE', 'REQUEST_CANCEL'] as const;
    const births = policies.map((policy): Birth => ({ workflowId: `${s.id}-${policy}`, parentClosePolicy: policy }));
    await (await s.start(leavingParent, [births])).result();

    const [abandoned, terminated, cancelled] = births.map((b) => s.client.workflow.getHandle<typeof child>(b.workflowId!));
    await failed(terminated, TerminatedFailure);
    await failed(cancelled, CancelledFailure);
    assert.equal(await s.status(abandoned.workflowId), 'RUNNING');
    await abandoned.signal(goOn);
    assert.equal((await abandoned.result()).parentId, s.id);
  },

  'workflow signals another': async (s) => {
    const target = await s.start(child, ['wait'], { workflowId: `${s.id}-target` });
    await (await s.start(sender, [target.workflowId])).result();
    await target.result();
    const [signal] = only(await s.history(target.workflowId), 'workflowExecutionSignaledEventAttributes');
    assert.equal(signal.externalWorkflowExecution?.workflowId, s.id);
  },

  'workflow cancels another': async (s) => {
    const target = await s.start(child, ['wait'], { workflowId: `${s.id}-target` });
    await (await s.start(canceller, [target.workflowId])).result();
    await failed(target, CancelledFailure);
  },

  'workflow signals and cancels nobody': async (s) => {
    for (const workflow of [sender, canceller]) {
      const run = await s.start(workflow, [`${s.id}-nobody`], { workflowId: `${s.id}-${workflow.name}` });
      assert.match((await failed(run, ApplicationFailure)).message, /not found/i);
    }
  },
};
