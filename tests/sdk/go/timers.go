package main

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"
)

var timerGroup = group{
	workflows: []any{sleep, sleepInParallel, cancelTimer},
	scenarios: []scenario{
		{"timer fires neither early nor much late", timerOnTime},
		{"timers fire in the order of their times", timersInOrder},
		{"fifty timers fire together", manyTimers},
		{"cancelled timer never fires", timerCancelled},
	},
}

// --- workflows ---

func sleep(ctx workflow.Context, length time.Duration) error {
	return workflow.Sleep(ctx, length)
}

// sleepInParallel starts timers of all given lengths at once and returns the
// lengths in the order of waking up.
func sleepInParallel(ctx workflow.Context, lengths []time.Duration) ([]time.Duration, error) {
	var woken []time.Duration
	selector := workflow.NewSelector(ctx)
	for _, length := range lengths {
		selector.AddFuture(workflow.NewTimer(ctx, length), func(workflow.Future) {
			woken = append(woken, length)
		})
	}
	for range lengths {
		selector.Select(ctx)
	}
	return woken, nil
}

// cancelTimer gives up on a long timer as soon as a short one has fired.
func cancelTimer(ctx workflow.Context) error {
	timerCtx, cancel := workflow.WithCancel(ctx)
	long := workflow.NewTimer(timerCtx, time.Hour)
	if err := workflow.Sleep(ctx, 100*time.Millisecond); err != nil {
		return err
	}
	cancel()
	if err := long.Get(ctx, nil); err == nil {
		return fmt.Errorf("the timer of an hour fired")
	}
	return nil
}

// --- scenarios ---

func timerOnTime(s *stage) {
	const length = 700 * time.Millisecond
	run := s.start(sleep, length)
	s.must(run.Get(s, nil))
	events := s.history(run.GetID(), run.GetRunID())
	started := only(events, enumspb.EVENT_TYPE_TIMER_STARTED)[0].EventTime.AsTime()
	fired := only(events, enumspb.EVENT_TYPE_TIMER_FIRED)[0].EventTime.AsTime()
	s.within("time to fire", fired.Sub(started), length, length+2*time.Second)
}

func timersInOrder(s *stage) {
	const a, b, c = 300 * time.Millisecond, 600 * time.Millisecond, 900 * time.Millisecond
	run := s.start(sleepInParallel, []time.Duration{b, c, a})
	s.equal("order", result[[]time.Duration](s, run), []time.Duration{a, b, c})
}

func manyTimers(s *stage) {
	lengths := make([]time.Duration, 50)
	for i := range lengths {
		lengths[i] = 200 * time.Millisecond
	}
	run := s.start(sleepInParallel, lengths)
	s.equal("woken", result[[]time.Duration](s, run), lengths)
	fired := only(s.history(run.GetID(), run.GetRunID()), enumspb.EVENT_TYPE_TIMER_FIRED)
	s.equal("timers fired", len(fired), 50)
}

func timerCancelled(s *stage) {
	run := s.start(cancelTimer)
	s.must(run.Get(s, nil))
	events := s.history(run.GetID(), run.GetRunID())
	s.equal("timers cancelled", len(only(events, enumspb.EVENT_TYPE_TIMER_CANCELED)), 1)
	s.equal("timers fired", len(only(events, enumspb.EVENT_TYPE_TIMER_FIRED)), 1)
}
