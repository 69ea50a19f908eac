/** The SDK's test environment starts the server's binary itself, as it would start a
 * development server. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TypedSearchAttributes } from '@temporalio/common';
import { type LocalTestWorkflowEnvironmentOptions, TestWorkflowEnvironment } from '@temporalio/testing';
import { eventually, type Scenario, Stage, Theater } from '../scenario';
import { attributes, collect, number, soFar } from '../worker/workflows';

/** Starts the binary and a worker, and plays on it. */
async function withDevServer(
  s: Stage,
  server: LocalTestWorkflowEnvironmentOptions['server'],
  play: (there: Stage) => Promise<void>,
): Promise<void> {
  const environment = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path: process.env.STEADFAST_BINARY! },
      namespace: 'a-namespace',
      searchAttributes: [attributes.integer, attributes.keyword],
      ...server,
    },
  });
  try {
    const { workflowBundle } = s.theater;
    const theater = new Theater(environment.client, environment.nativeConnection, workflowBundle, s.id);
    await theater.withWorker(s.taskQueue, {}, () => play(new Stage(theater, s.taskQueue, 'there')));
  } finally {
    await environment.teardown();
  }
}

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((listening) => listener.listen(0, '127.0.0.1', listening));
  const { port } = listener.address() as { port: number };
  await new Promise((closed) => listener.close(closed));
  return port;
}

/** For the theater to play where there is a binary. */
export const devServerScenarios: Scenario = {
  'dev server: runs a workflow': async (s) => {
    const [uiPort, metricsPort, httpPort] = [await freePort(), await freePort(), await freePort()];
    const extraArgs = [
      `--metrics-port=${metricsPort}`,
      `--http-port=${httpPort}`,
      ...['--dynamic-config-value', 'history.longPollExpirationInterval="5s"'],
      ...['--sqlite-pragma', 'journal_mode=WAL'],
      ...['--log-level', 'never'],
    ];
    await withDevServer(s, { uiPort, extraArgs, log: { format: 'json', level: 'error' } }, async (there) => {
      const typedSearchAttributes = new TypedSearchAttributes([
        { key: attributes.integer, value: 7 },
        { key: attributes.keyword, value: 'local' },
      ]);
      const run = await there.start(collect, [1], { typedSearchAttributes });
      await run.signal(number, 5);
      assert.deepEqual(await run.result(), [5]);
      const query = "SdkInt = 7 AND SdkKeyword = 'local' AND ExecutionStatus = 'Completed'";
      await eventually('the workflow in the list', async () => (await there.count(query)) === 1);
      for (const page of [`${uiPort}/`, `${metricsPort}/metrics`]) {
        const { status } = await fetch(`http://127.0.0.1:${page}`);
        assert.equal(status, 200, page);
      }
    });
  },

  // With a database file, what one server was told is known to the next. The SDK ends the first by SIGKILL.
  'dev server: keeps its data': async (s) => {
    const folder = await mkdtemp(join(tmpdir(), 'steadfast-dev-server-'));
    const server = { dbFilename: join(folder, 'temporal.db') };
    try {
      await withDevServer(s, server, async (there) => {
        const run = await there.start(collect, [2]);
        await run.signal(number, 1);
        assert.deepEqual(await run.query(soFar, 0), [1]);
      });
      await withDevServer(s, server, async (there) => {
        const run = there.client.workflow.getHandle<typeof collect>(there.id);
        await run.signal(number, 2);
        assert.deepEqual(await run.result(), [1, 2]);
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};
