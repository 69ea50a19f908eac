import assert from 'node:assert/strict';
import { milliseconds, only, type Scenario, within } from '../scenario';
import { cancelTimer, nap, napInParallel } from '../worker/workflows';

export const timerScenarios: Scenario = {
  'timer fires neither early nor much late': async (s) => {
    await (await s.start(nap, [700])).result();
    const events = await s.history(s.id);
    const started = events.find((event) => event.timerStartedEventAttributes)?.eventTime;
    const fired = events.find((event) => event.timerFiredEventAttributes)?.eventTime;
    within(milliseconds(fired) - milliseconds(started), 700, 2700, 'time to fire');
  },

  'timers fire in the order of their times': async (s) => {
    const run = await s.start(napInParallel, [[600, 900, 300]]);
    assert.deepEqual(await run.result(), [300, 600, 900]);
  },

  'fifty timers fire together': async (s) => {
    const lengths = Array.from({ length: 50 }, () => 200);
    const run = await s.start(napInParallel, [lengths]);
    assert.deepEqual(await run.result(), lengths);
    assert.equal(only(await s.history(s.id), 'timerFiredEventAttributes').length, 50);
  },

  'cancelled timer never fires': async (s) => {
    const run = await s.start(cancelTimer, []);
    assert.equal(await run.result(), true);
    const events = await s.history(s.id);
    assert.equal(only(events, 'timerCanceledEventAttributes').length, 1);
    assert.equal(only(events, 'timerFiredEventAttributes').length, 1);
  },
};
