/** Long histories, workers without a cache, and replay. */
import assert from 'node:assert/strict';
import { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { eventually, only, type Scenario, type Stage } from '../scenario';
import { errands, longStory, word } from '../worker/workflows';
import { childCompletes } from './children';
import { queryClosed, queryRunning } from './messages';
import { continuesAsNew } from './runs';

type History = temporal.api.history.v1.IHistory;
const { TaskQueueKind } = temporal.api.enums.v1;

async function longHistory(s: Stage): Promise<void> {
  const run = await s.start(longStory, [7]);
  assert.equal(await run.result(), 140);

  // Page by page, forwards: every event once and in order.
  const service = s.client.workflowService;
  const request = { namespace: s.client.options.namespace, execution: { workflowId: s.id }, maximumPageSize: 50 };
  const read = async (
    page: (nextPageToken?: Uint8Array) => Promise<{ history?: History | null; nextPageToken?: Uint8Array | null }>,
  ): Promise<{ ids: number[]; pages: number }> => {
    const ids: number[] = [];
    let pages = 0;
    let token: Uint8Array | null | undefined;
    do {
      const { history, nextPageToken } = await page(token ?? undefined);
      ids.push(...(history?.events ?? []).map((event) => Number(event.eventId)));
      token = nextPageToken;
      pages++;
    } while (token?.length);
    return { ids, pages };
  };
  const { ids, pages } = await read((nextPageToken) => service.getWorkflowExecutionHistory({ ...request, nextPageToken }));
  assert.deepEqual(ids, Array.from(ids, (_, index) => index + 1));
  // How large pages get is the server's choice: it may round up to whole transactions.
  assert.ok(ids.length >= 420 && pages >= 2, `only ${ids.length} events on ${pages} pages`);

  // And backwards.
  const backwards = await read((nextPageToken) => service.getWorkflowExecutionHistoryReverse({ ...request, nextPageToken }));
  assert.deepEqual(backwards.ids.reverse(), ids);
}

/** Plays the errands workflow and counts the kinds of task queue its tasks were
 * scheduled on. */
async function runErrands(s: Stage): Promise<{ normal: number; sticky: number }> {
  const run = await s.start(errands, []);
  await run.signal(word, 'bread');
  assert.equal(await run.result(), '2 1 bread');
  const kinds = only(await s.history(s.id), 'workflowTaskScheduledEventAttributes').map((task) => task.taskQueue?.kind);
  return {
    normal: kinds.filter((kind) => kind === TaskQueueKind.TASK_QUEUE_KIND_NORMAL).length,
    sticky: kinds.filter((kind) => kind === TaskQueueKind.TASK_QUEUE_KIND_STICKY).length,
  };
}

export const historyScenarios: Scenario = {
  'history of some hundred events, in pages': longHistory,

  'tasks of a cached workflow are sticky': async (s) => {
    const { normal, sticky } = await runErrands(s);
    assert.equal(normal, 1); // the very first
    assert.ok(sticky > 0, 'no sticky task');
  },
};

/** For a worker that forgets every workflow between tasks, so that every task
 * needs the whole history. */
export const cachelessScenarios: Scenario = {
  'without cache: a bit of everything': async (s) => {
    assert.equal((await runErrands(s)).sticky, 0);
  },
  'without cache: history of some hundred events': longHistory,
  'without cache: query of a running workflow': queryRunning,
  'without cache: query of a closed workflow': queryClosed,
  'without cache: child completes': childCompletes,
  'without cache: continue as new': continuesAsNew,
};

/** Feeds the histories of all runs of this program, children and successors
 * included, to the same code again. */
export async function replayEverything(s: Stage): Promise<void> {
  const mine = `WorkflowId STARTS_WITH '${s.theater.name}'`;
  await eventually('no workflow left running', async () => (await s.count(`${mine} AND ExecutionStatus = 'Running'`)) === 0);

  const histories = s.client.workflow.list({ query: mine }).intoHistories();
  let replayed = 0;
  for await (const { workflowId, runId, error } of Worker.runReplayHistories({ workflowBundle: s.theater.workflowBundle }, histories)) {
    assert.ok(!error, `replay of ${workflowId} (${runId}): ${error}`);
    replayed++;
  }
  assert.ok(replayed >= 80, `only ${replayed} histories to replay`);
}
