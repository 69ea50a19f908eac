/** The workflows the worker offers. They run in the SDK's sandbox, hence a file of their own. */
import {
  ActivityCancellationType,
  type ActivityOptions,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  type ChildWorkflowOptions,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  executeChild,
  getExternalWorkflowHandle,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
  startChild,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import type * as implementations from './activities';

type Implementations = typeof implementations;

// --- activities ---

/** Which activity to run and how. */
export interface Call {
  activity: keyof Implementations;
  arg: number;
  options: ActivityOptions;
}

/** Runs a single activity and ends the way the activity does. */
export async function oneActivity(call: Call): Promise<unknown> {
  const activities = proxyActivities<Implementations>(call.options);
  return await activities[call.activity](call.arg);
}

export const cancel = defineSignal('cancel');

/** Lets an activity run until it is signalled, cancels it and returns what the
 * activity says to that. */
export async function cancelActivity(call: Call): Promise<unknown> {
  const activities = proxyActivities<Implementations>({
    ...call.options,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  });
  const scope = new CancellationScope();
  const running = scope.run(() => activities[call.activity](call.arg) as Promise<unknown>);
  const outcome = running.then(
    () => 'not cancelled',
    (error) => (error.cause instanceof CancelledFailure ? error.cause.details[0] : `failed: ${error}`),
  );
  let asked = false;
  setHandler(cancel, () => void (asked = true));
  await condition(() => asked);
  scope.cancel();
  return await outcome;
}

/** Lets local activities sleep, if told so, and fail until the third attempt. */
export async function localActivity(length: number): Promise<number> {
  const local = proxyLocalActivities<Implementations>({
    startToCloseTimeout: '1m',
    retry: { initialInterval: 10 },
  });
  if (length > 0) await local.oversleep(length);
  return await local.succeedAt(3);
}

// --- timers ---

export async function nap(length: number): Promise<void> {
  await sleep(length);
}

/** Starts timers of all lengths at once; returns the lengths in the order of waking up. */
export async function napInParallel(lengths: number[]): Promise<number[]> {
  const woken: number[] = [];
  await Promise.all(lengths.map((length) => sleep(length).then(() => woken.push(length))));
  return woken;
}

/** Gives up on a long timer as soon as a short one has fired. */
export async function cancelTimer(): Promise<boolean> {
  const scope = new CancellationScope();
  const long = scope.run(() => sleep('1 hour'));
  const cancelled = long.then(() => false, isCancellation);
  await sleep(100);
  scope.cancel();
  return await cancelled;
}

// --- signals and queries ---

export const number = defineSignal<[number]>('number');
export const soFar = defineQuery<number[], [number]>('so far');
export const trouble = defineQuery<void>('trouble');

/** Returns the first so many numbers signalled to it, answers queries for what it
 * has so far, and fails the query "trouble". */
export async function collect(wanted: number): Promise<number[]> {
  const numbers: number[] = [];
  setHandler(soFar, (least) => numbers.filter((n) => n >= least));
  setHandler(trouble, () => {
    throw new Error('asked for trouble');
  });
  setHandler(number, (n) => void numbers.push(n));
  await condition(() => numbers.length >= wanted);
  return numbers;
}

// --- children, and workflows that reach out to others ---

export const goOn = defineSignal('go on');

/** How a child is started. */
export type Birth = Omit<ChildWorkflowOptions, 'typeInfo'>;

/** What a child knows of its parent. */
export interface Family {
  attempt: number;
  parentId?: string;
  parentRun?: string;
}

/** Behaves as told. Some scenarios run it without a parent. */
export async function child(behavior: string): Promise<Family> {
  const { attempt, parent } = workflowInfo();
  switch (behavior) {
    case 'fail':
      throw ApplicationFailure.nonRetryable('naughty child', 'Naughty');
    case 'fail once':
      if (attempt === 1) throw ApplicationFailure.retryable('first attempt');
      break;
    case 'continue':
      await continueAsNew<typeof child>('complete');
      break;
    case 'wait': {
      // For a signal, or until cancelled.
      let released = false;
      setHandler(goOn, () => void (released = true));
      await condition(() => released);
    }
  }
  return { attempt, parentId: parent?.workflowId, parentRun: parent?.runId };
}

export async function parent(behavior: string, options: Birth): Promise<Family> {
  return await executeChild(child, { ...options, args: [behavior] });
}

/** Cancels its child as soon as it runs, and ends the way the child does. */
export async function cancellingParent(behavior: string, options: Birth): Promise<Family> {
  const scope = new CancellationScope();
  const running = await scope.run(() => startChild(child, { ...options, args: [behavior] }));
  scope.cancel();
  return await running.result();
}

/** Returns as soon as all its children run. */
export async function leavingParent(births: Birth[]): Promise<void> {
  for (const options of births) await startChild(child, { ...options, args: ['wait'] });
}

export async function sender(target: string): Promise<void> {
  await getExternalWorkflowHandle(target).signal(goOn);
}

export async function canceller(target: string): Promise<void> {
  await getExternalWorkflowHandle(target).cancel();
}

// --- runs ---

/** One run for every number down to zero. Returns how often it was continued,
 * which it knows from what it hands on. */
export async function countDown(left: number, done: number): Promise<number> {
  if (left > 0) await continueAsNew<typeof countDown>(left - 1, done + 1);
  return done;
}

/** Waits to be cancelled, and does a last thing when it is. */
export async function cleanUp(): Promise<void> {
  const { succeedAt } = proxyActivities<Implementations>({ startToCloseTimeout: '20s' });
  try {
    await sleep('1 hour');
  } finally {
    await CancellationScope.nonCancellable(() => succeedAt(1));
  }
}

/** Fails in attempts before the wanted one. */
export async function failBefore(wanted: number): Promise<number> {
  const { attempt } = workflowInfo();
  if (attempt < wanted) throw ApplicationFailure.retryable(`attempt ${attempt} failed`, 'TooEarly');
  return attempt;
}

export async function failForever(): Promise<void> {
  throw ApplicationFailure.nonRetryable('no use trying', 'Hopeless');
}

/** Is run by cron. It counts its runs; the second fails, and the third still
 * knows the result of the first. */
export async function tick(): Promise<number> {
  const { lastResult, lastFailure } = workflowInfo();
  const count = (lastResult as number | undefined) ?? 0;
  if (lastFailure) return 100 + count;
  if (count === 1) throw ApplicationFailure.retryable('second run failed', 'Second');
  return count + 1;
}

// --- memo and search attributes ---

/** One custom search attribute of every type. */
export const attributes = {
  keyword: defineSearchAttributeKey('SdkKeyword', 'KEYWORD'),
  text: defineSearchAttributeKey('SdkText', 'TEXT'),
  integer: defineSearchAttributeKey('SdkInt', 'INT'),
  double: defineSearchAttributeKey('SdkDouble', 'DOUBLE'),
  boolean: defineSearchAttributeKey('SdkBool', 'BOOL'),
  datetime: defineSearchAttributeKey('SdkDatetime', 'DATETIME'),
  keywords: defineSearchAttributeKey('SdkKeywordList', 'KEYWORD_LIST'),
};

/** Changes the workflow's own memo and search attributes. */
export async function annotate(): Promise<void> {
  const { memo, typedSearchAttributes } = workflowInfo();
  if (memo) upsertMemo({ color: 'green', shape: null, size: 3 });
  const n = typedSearchAttributes.get(attributes.integer);
  if (n !== undefined) {
    upsertSearchAttributes([
      { key: attributes.integer, value: n + 1 },
      { key: attributes.boolean, value: null },
      { key: attributes.keywords, value: ['red', 'blue'] },
    ]);
  }
}

// --- long histories ---

/** Has chapters of twenty activities side by side. */
export async function longStory(chapters: number): Promise<number> {
  const { succeedAt } = proxyActivities<Implementations>({ startToCloseTimeout: '10s' });
  let done = 0;
  for (let chapter = 0; chapter < chapters; chapter++) {
    done += (await Promise.all(Array.from({ length: 20 }, () => succeedAt(1)))).length;
  }
  return done;
}

export const word = defineSignal<[string]>('word');

/** Mixes what keeps a workflow waiting: activity, timer, child, signal. */
export async function errands(): Promise<string> {
  let heard: string | undefined;
  setHandler(word, (given) => void (heard = given));
  const { succeedAt } = proxyActivities<Implementations>({ startToCloseTimeout: '20s', retry: { initialInterval: 50 } });
  const attempt = await succeedAt(2);
  await sleep(100);
  const offspring = await executeChild(child, { args: ['complete'] });
  await condition(() => heard !== undefined);
  return `${attempt} ${offspring.attempt} ${heard}`;
}
