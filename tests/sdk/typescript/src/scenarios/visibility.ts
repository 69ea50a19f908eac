/** Memos, search attributes, and finding workflows by them. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { TypedSearchAttributes } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { eventually, failure, type Scenario, type Stage } from '../scenario';
import { annotate, attributes, countDown, failForever } from '../worker/workflows';

const { IndexedValueType } = temporal.api.enums.v1;
const noon = new Date('2024-05-06T12:00:00Z');

/** Makes the custom attributes known to the namespace. Others may have done so
 * before: that is no error. */
async function registerAttributes(s: Stage): Promise<void> {
  const types = Object.fromEntries(
    Object.values(attributes).map((key) => [key.name, IndexedValueType[`INDEXED_VALUE_TYPE_${key.type}`]]),
  );
  const operator = s.client.connection.operatorService;
  const { namespace } = s.client.options;
  await operator.addSearchAttributes({ namespace, searchAttributes: types });
  await eventually('all attributes listed', async () => {
    const { customAttributes } = await operator.listSearchAttributes({ namespace });
    return Object.entries(types).every(([name, type]) => customAttributes[name] === type);
  });
}

export const visibilityScenarios: Scenario = {
  'memo, changed by the workflow': async (s) => {
    const run = await s.start(annotate, [], { memo: { color: 'red', shape: 'round', weight: 1.5 } });
    await run.result();
    const want = { color: 'green', size: 3, weight: 1.5 };
    assert.deepEqual(await run.describe().then((info) => ({ ...info.memo })), want);
    await eventually('the new memo in the list', async () => {
      for await (const info of s.client.workflow.list({ query: `WorkflowId = '${s.id}'` })) {
        return isDeepStrictEqual({ ...info.memo }, want);
      }
      return false;
    });
  },

  'search attributes, list and count': async (s) => {
    await registerAttributes(s);
    const run = await s.start(annotate, [], {
      typedSearchAttributes: new TypedSearchAttributes([
        { key: attributes.keyword, value: s.id },
        { key: attributes.text, value: 'The quick brown fox' },
        { key: attributes.integer, value: 41 },
        { key: attributes.double, value: 2.5 },
        { key: attributes.boolean, value: true },
        { key: attributes.datetime, value: noon },
        { key: attributes.keywords, value: ['green'] },
      ]),
    });
    await run.result();

    const found = (await run.describe()).typedSearchAttributes;
    assert.equal(found.get(attributes.integer), 42);
    assert.equal(found.get(attributes.boolean), undefined);
    assert.deepEqual(found.get(attributes.datetime), noon);
    assert.deepEqual(found.get(attributes.keywords), ['red', 'blue']);

    // Visibility follows; once it has the last change, every filter must agree.
    const mine = `SdkKeyword = '${s.id}' AND `;
    await eventually(
      'the workflow with its last attributes',
      async () => (await s.count(`${mine} SdkInt = 42 AND ExecutionStatus = 'Completed'`)) === 1,
    );
    const filters: [string, number][] = [
      ["SdkText = 'QUICK'", 1],
      ["SdkText = 'slow'", 0],
      ['SdkInt = 41', 0],
      ['SdkInt > 41 AND SdkInt <= 42', 1],
      ['SdkInt BETWEEN 40 AND 50', 1],
      ['SdkInt IN (1, 42)', 1],
      ['SdkDouble >= 2.5', 1],
      ['SdkDouble < 2.5', 0],
      ['SdkBool IS NULL', 1],
      ['SdkBool = true', 0],
      ["SdkDatetime > '2024-05-06T11:59:59Z'", 1],
      ["SdkDatetime < '2024-05-06T13:00:00+02:00'", 0],
      ["SdkKeywordList = 'red'", 1],
      ["SdkKeywordList IN ('blue', 'black')", 1],
      ["SdkKeywordList = 'green'", 0],
      ["SdkKeyword STARTS_WITH 'ts-'", 1],
      ["SdkKeyword != 'other'", 1],
      ['(SdkInt = 1 OR SdkInt = 42) AND NOT SdkInt = 2', 1],
    ];
    for (const [filter, want] of filters) {
      assert.equal(await s.count(mine + filter), want, `number of workflows found by ${filter}`);
    }
  },

  'list by status, type and time': async (s) => {
    const before = new Date(Date.now() - 60_000).toISOString();
    for (const i of [0, 1, 2]) await (await s.start(countDown, [0, i], { workflowId: `${s.id}-${i}` })).result();
    await failure((await s.start(failForever, [], { workflowId: `${s.id}-3` })).result());

    const mine = `WorkflowId STARTS_WITH '${s.id}'`;
    const count = (filter: string) => s.count(`${mine} AND ${filter}`);
    await eventually(
      'three completed workflows and a failed one',
      async () => (await count("ExecutionStatus = 'Completed'")) === 3 && (await count("ExecutionStatus = 'Failed'")) === 1,
    );
    assert.equal(await count("WorkflowType = 'countDown'"), 3);
    assert.equal(await count(`TaskQueue = '${s.taskQueue}'`), 4);
    assert.equal(await count(`StartTime > '${before}'`), 4);
    assert.equal(await count(`StartTime < '${before}'`), 0);
    assert.equal(await count('CloseTime IS NULL'), 0);
    const { groups } = await s.client.workflow.count(`${mine} GROUP BY ExecutionStatus`);
    assert.deepEqual(groups.map((group) => group.count).sort(), [1, 3]);
  },

  'list in pages': async (s) => {
    for (let i = 0; i < 7; i++) await (await s.start(countDown, [0, i], { workflowId: `${s.id}-${i}` })).result();
    const query = `WorkflowId STARTS_WITH '${s.id}' AND ExecutionStatus = 'Completed'`;
    await eventually('all workflows in visibility', async () => (await s.count(query)) === 7);
    const seen: string[] = [];
    for await (const info of s.client.workflow.list({ query, pageSize: 3 })) seen.push(info.workflowId);
    assert.equal(seen.length, 7);
    assert.equal(new Set(seen).size, 7);
  },
};
