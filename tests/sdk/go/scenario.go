package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// scenario is one thing users do with a server and what must come of it.
type scenario struct {
	name string
	run  func(*stage)
}

// group is what one file contributes: its scenarios and what the worker must
// know to play them.
type group struct {
	workflows  []any
	activities []any
	scenarios  []scenario
}

// stage is where one scenario plays: a client, a context with its time limit,
// names of its own, and the checks. A failed check ends the scenario.
type stage struct {
	context.Context
	client.Client
	taskQueue string
	id        string // of the scenario's workflow, and a prefix for further ones
}

// scenarioLimit is generous: on a quiet machine all scenarios together take a
// third of it.
const scenarioLimit = 40 * time.Second

// tally runs scenarios side by side and counts how they end.
type tally struct {
	running        sync.WaitGroup
	report         sync.Mutex
	passed, failed int
}

func (t *tally) begin(c client.Client, taskQueue string, sc scenario) {
	t.running.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), scenarioLimit)
		defer cancel()
		id := taskQueue + "-" + strings.NewReplacer(" ", "-", ":", "").Replace(sc.name)
		problem := play(sc, &stage{ctx, c, taskQueue, id})

		t.report.Lock()
		defer t.report.Unlock()
		if problem == nil {
			t.passed++
			fmt.Println("ok", sc.name)
		} else {
			t.failed++
			fmt.Printf("FAIL %s: %v\n", sc.name, problem)
		}
	})
}

func (t *tally) wait() { t.running.Wait() }

// play turns the panic of a failed check (or any other) into an error.
func play(sc scenario, s *stage) (problem error) {
	defer func() {
		if r := recover(); r != nil {
			problem = fmt.Errorf("%v", r)
		}
	}()
	sc.run(s)
	return nil
}

// --- checks ---

func (s *stage) failf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (s *stage) must(err error) {
	if err != nil {
		s.failf("unexpected error: %v", err)
	}
}

func (s *stage) equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		s.failf("%s is %v, not %v", what, got, want)
	}
}

func (s *stage) within(what string, got, low, high time.Duration) {
	if got < low || got > high {
		s.failf("%s is %v, not between %v and %v", what, got, low, high)
	}
}

// eventually polls: visibility follows the workflows at a small distance, and
// some things take a moment to happen.
func (s *stage) eventually(what string, happened func() bool) {
	for !happened() {
		select {
		case <-s.Done():
			s.failf("in vain waited for: %s", what)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// cause digs the error of type E out of err's chain, so that scenarios can name
// the exact failure they expect.
func cause[E error](s *stage, err error) E {
	var found E
	if !errors.As(err, &found) {
		s.failf("error is %T (%v), without a %T", err, err, found)
	}
	return found
}

// --- frequent steps ---

// start runs a workflow under the scenario's own id.
func (s *stage) start(workflow any, args ...any) client.WorkflowRun {
	return s.startWith(client.StartWorkflowOptions{}, workflow, args...)
}

func (s *stage) startWith(options client.StartWorkflowOptions, workflow any, args ...any) client.WorkflowRun {
	run, err := s.ExecuteWorkflow(s, s.complete(options), workflow, args...)
	s.must(err)
	return run
}

// complete fills in what nearly all starts have in common. An id that is taken
// is an error here; the SDK alone would quietly return the existing run.
func (s *stage) complete(options client.StartWorkflowOptions) client.StartWorkflowOptions {
	if options.ID == "" {
		options.ID = s.id
	}
	if options.TaskQueue == "" {
		options.TaskQueue = s.taskQueue
	}
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	return options
}

// result waits for a workflow that must complete, and for its value.
func result[T any](s *stage, run client.WorkflowRun) T {
	var value T
	s.must(run.Get(s, &value))
	return value
}

// failure waits for a workflow that must not complete.
func (s *stage) failure(run client.WorkflowRun) error {
	err := run.Get(s, nil)
	if err == nil {
		s.failf("the workflow completed, against all expectations")
	}
	s.must(s.Err()) // running out of time is not the failure in question
	return err
}

func (s *stage) status(workflowID, runID string) enumspb.WorkflowExecutionStatus {
	d, err := s.DescribeWorkflowExecution(s, workflowID, runID)
	s.must(err)
	return d.WorkflowExecutionInfo.Status
}

func (s *stage) history(workflowID, runID string) []*historypb.HistoryEvent {
	var events []*historypb.HistoryEvent
	pages := s.GetWorkflowHistory(s, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for pages.HasNext() {
		event, err := pages.Next()
		s.must(err)
		events = append(events, event)
	}
	return events
}

// closing waits for the end of one run and returns its last event.
func (s *stage) closing(workflowID, runID string) *historypb.HistoryEvent {
	_, err := s.GetWorkflowHistory(s, workflowID, runID, true, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT).Next()
	s.must(err)
	// The event just received may be a stand-in: this SDK knows only one way for
	// a run to have a successor, so servers show it retries and cron runs as
	// continued-as-new. The history has the real thing.
	events := s.history(workflowID, runID)
	return events[len(events)-1]
}

// only picks the events of one type.
func only(events []*historypb.HistoryEvent, kind enumspb.EventType) []*historypb.HistoryEvent {
	var picked []*historypb.HistoryEvent
	for _, event := range events {
		if event.EventType == kind {
			picked = append(picked, event)
		}
	}
	return picked
}

// decode reads the first value of what events and descriptions carry.
func decode[T any](s *stage, payloads *commonpb.Payloads) T {
	var value T
	s.must(converter.GetDefaultDataConverter().FromPayloads(payloads, &value))
	return value
}
