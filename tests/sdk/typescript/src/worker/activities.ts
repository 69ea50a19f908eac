/** The activities the worker offers. */
import { ApplicationFailure, CancelledFailure, CompleteAsyncError, Context, heartbeat } from '@temporalio/activity';
import { setTimeout as pause } from 'node:timers/promises';

/** Fails before the given attempt; from it on it returns its attempt. */
export async function succeedAt(wanted: number): Promise<number> {
  const { attempt } = Context.current().info;
  if (attempt < wanted) {
    throw ApplicationFailure.create({ message: `attempt ${attempt} failed`, type: 'TooEarly', details: [attempt] });
  }
  return attempt;
}

export async function failForGood(): Promise<number> {
  throw ApplicationFailure.nonRetryable('no use trying', 'Hopeless');
}

/** Leaves a note in its first attempt and finds it in the second. */
export async function resume(note: number): Promise<number> {
  const { heartbeatDetails } = Context.current().info;
  if (heartbeatDetails === undefined) {
    heartbeat(note);
    throw ApplicationFailure.retryable('crashed halfway', 'Crash');
  }
  return heartbeatDetails;
}

/** Ignores everything going on around it, as a stuck program would. */
export async function oversleep(milliseconds: number): Promise<void> {
  await pause(milliseconds);
}

export async function beatAndStall(note: number): Promise<void> {
  heartbeat(note);
  await pause(4000); // long enough for a busy machine to tell a timeout from a return
}

export async function beatUntilCancelled(): Promise<void> {
  while (!Context.current().cancellationSignal.aborted) {
    heartbeat();
    await pause(100);
  }
  throw new CancelledFailure('cancelled', ['tidied up']);
}

/** Returns without a result and hands its token out as a heartbeat, where anyone
 * who may describe the workflow can find it. */
export async function leaveOpen(): Promise<number> {
  heartbeat(Context.current().info.base64TaskToken);
  throw new CompleteAsyncError();
}
