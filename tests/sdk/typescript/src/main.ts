/**
 * Runs real workflows with the TypeScript SDK against a server and checks what
 * comes back. It is worker and client in one process:
 *
 *     STEADFAST_ADDRESS=127.0.0.1:7233 STEADFAST_NAMESPACE=default npm start
 *
 * With STEADFAST_BINARY, the SDK starts servers of its own from that binary too.
 *
 * Every scenario prints `ok NAME` or `FAIL NAME: reason`. At the end the
 * histories of all runs go through the SDK's replayer, the strictest reader of
 * histories there is.
 */
import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime } from '@temporalio/worker';
import { type Scenario, Theater } from './scenario';
import { activityScenarios } from './scenarios/activities';
import { childScenarios } from './scenarios/children';
import { completionScenarios } from './scenarios/completions';
import { devServerScenarios } from './scenarios/devserver';
import { cachelessScenarios, historyScenarios, replayEverything } from './scenarios/histories';
import { identityScenarios } from './scenarios/identity';
import { messageScenarios } from './scenarios/messages';
import { runScenarios } from './scenarios/runs';
import { timerScenarios } from './scenarios/timers';
import { visibilityScenarios } from './scenarios/visibility';

/** For the whole program, which therefore always ends. It needs a small part of this,
 * unless the machine is very busy. */
const timeLimitSeconds = 100;

const scenarios: Scenario = {
  ...activityScenarios,
  ...completionScenarios,
  ...timerScenarios,
  ...messageScenarios,
  ...childScenarios,
  ...runScenarios,
  ...identityScenarios,
  ...visibilityScenarios,
  ...historyScenarios,
  ...(process.env.STEADFAST_BINARY ? devServerScenarios : {}),
};

// Failures are what these scenarios are made of; reports of them would bury the
// result.
const quiet = new DefaultLogger('ERROR', () => {});

async function main(): Promise<void> {
  Runtime.install({ logger: quiet, telemetryOptions: { logging: { filter: 'OFF', forward: {} } } });
  const address = process.env.STEADFAST_ADDRESS || '127.0.0.1:7233';
  const namespace = process.env.STEADFAST_NAMESPACE || 'default';
  const connection = await Connection.connect({ address });
  const theater = new Theater(
    new Client({ connection, namespace }),
    await NativeConnection.connect({ address }),
    await bundleWorkflowCode({ workflowsPath: require.resolve('./worker/workflows'), logger: quiet }),
    `ts-${randomUUID().slice(0, 8)}`,
  );

  const cacheless = `${theater.name}-cacheless`;
  await Promise.all([
    theater.withWorker(theater.name, {}, () => theater.play(scenarios, theater.name)),
    theater.withWorker(cacheless, { maxCachedWorkflows: 0 }, () => theater.play(cachelessScenarios, cacheless)),
  ]);
  await theater.play({ 'replay of all histories': replayEverything }, theater.name);

  console.log(`${theater.passed} passed, ${theater.failed} failed`);
  process.exit(theater.failed > 0 ? 1 : 0);
}

setTimeout(() => {
  console.log(`FAIL time limit: not done after ${timeLimitSeconds} s`);
  process.exit(2);
}, timeLimitSeconds * 1000);

main().catch((error) => {
  console.log('FAIL', error);
  process.exit(1);
});
