package main

import (
	"errors"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

// Signals and queries.
var messageGroup = group{
	workflows: []any{collect},
	scenarios: []scenario{
		{"signals arrive in order", signalsInOrder},
		{"signals before the first task", signalsBeforeFirstTask},
		{"signal-with-start starts once", signalWithStart},
		{"signal to a closed or unknown workflow", signalNobody},
		{"query of a running workflow sees every earlier signal", queryRunning},
		{"query of a closed workflow", queryClosed},
		{"query that fails", queryFails},
		{"query rejected by status", queryRejected},
	},
}

// collect returns the first so many numbers signalled to it, answers queries for
// what it has so far, and fails the query "trouble".
func collect(ctx workflow.Context, wanted int) ([]int, error) {
	numbers := []int{}
	err := workflow.SetQueryHandler(ctx, "so far", func(least int) ([]int, error) {
		var large []int
		for _, n := range numbers {
			if n >= least {
				large = append(large, n)
			}
		}
		return large, nil
	})
	if err != nil {
		return nil, err
	}
	err = workflow.SetQueryHandler(ctx, "trouble", func() (int, error) {
		return 0, errors.New("asked for trouble")
	})
	if err != nil {
		return nil, err
	}
	for len(numbers) < wanted {
		var n int
		workflow.GetSignalChannel(ctx, "number").Receive(ctx, &n)
		numbers = append(numbers, n)
	}
	return numbers, nil
}

func (s *stage) signal(n int) {
	s.must(s.SignalWorkflow(s, s.id, "", "number", n))
}

// ask queries the workflow for its numbers of at least the given size.
func (s *stage) ask(least int) []int {
	answer, err := s.QueryWorkflow(s, s.id, "", "so far", least)
	s.must(err)
	var numbers []int
	s.must(answer.Get(&numbers))
	return numbers
}

// --- scenarios ---

func signalsInOrder(s *stage) {
	run := s.start(collect, 20)
	var sent []int
	for n := range 20 {
		s.signal(n)
		sent = append(sent, n)
	}
	s.equal("numbers", result[[]int](s, run), sent)
}

func signalsBeforeFirstTask(s *stage) {
	queue := s.taskQueue + "-opens-late"
	run := s.startWith(client.StartWorkflowOptions{TaskQueue: queue}, collect, 3)
	for n := range 3 {
		s.signal(n)
	}
	w := startWorker(s.Client, queue)
	defer w.Stop()
	s.equal("numbers", result[[]int](s, run), []int{0, 1, 2})
}

func signalWithStart(s *stage) {
	signal := func(n int) client.WorkflowRun {
		run, err := s.SignalWithStartWorkflow(s, s.id, "number", n, s.complete(client.StartWorkflowOptions{}), collect, 2)
		s.must(err)
		return run
	}
	first := signal(1)
	second := signal(2)
	s.equal("run of the second signal", second.GetRunID(), first.GetRunID())
	s.equal("numbers", result[[]int](s, first), []int{1, 2})

	// The signal stands in history before the first task, so no task ever runs
	// without it.
	events := s.history(first.GetID(), first.GetRunID())
	s.equal("second event", events[1].EventType, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)

	// Once the workflow is closed the same call starts another.
	third := signal(3)
	if third.GetRunID() == first.GetRunID() {
		s.failf("signal-with-start found the closed run")
	}
	signal(4)
	s.equal("numbers of the new run", result[[]int](s, third), []int{3, 4})
}

func signalNobody(s *stage) {
	run := s.start(collect, 0)
	result[[]int](s, run)
	cause[*serviceerror.NotFound](s, s.SignalWorkflow(s, s.id, "", "number", 1))
	cause[*serviceerror.NotFound](s, s.SignalWorkflow(s, s.id+"-nobody", "", "number", 1))
}

func queryRunning(s *stage) {
	const count = 10
	run := s.start(collect, count)
	for n := range count - 1 {
		s.signal(n)
		// A query is answered after all that was accepted before it.
		s.equal("numbers seen by the query", len(s.ask(0)), n+1)
	}
	s.equal("large numbers", s.ask(7), []int{7, 8})
	s.signal(9)
	s.equal("numbers", len(result[[]int](s, run)), count)
}

func queryClosed(s *stage) {
	run := s.start(collect, 2)
	s.signal(1)
	s.signal(2)
	result[[]int](s, run)
	s.equal("large numbers", s.ask(2), []int{2})
}

func queryFails(s *stage) {
	run := s.start(collect, 1)
	_, err := s.QueryWorkflow(s, s.id, "", "trouble")
	s.equal("message", cause[*serviceerror.QueryFailed](s, err).Error(), "asked for trouble")
	_, err = s.QueryWorkflow(s, s.id, "", "riddle")
	if message := cause[*serviceerror.QueryFailed](s, err).Error(); !strings.Contains(message, "riddle") {
		s.failf("error does not name the unknown query: %s", message)
	}
	_, err = s.QueryWorkflow(s, s.id+"-nobody", "", "so far", 0)
	cause[*serviceerror.NotFound](s, err)

	// Failing queries leave the workflow as it was.
	s.signal(5)
	s.equal("numbers", result[[]int](s, run), []int{5})
}

func queryRejected(s *stage) {
	run := s.start(collect, 0)
	result[[]int](s, run)
	answer, err := s.QueryWorkflowWithOptions(s, &client.QueryWorkflowWithOptionsRequest{
		WorkflowID:           s.id,
		QueryType:            "so far",
		Args:                 []any{0},
		QueryRejectCondition: enumspb.QUERY_REJECT_CONDITION_NOT_OPEN,
	})
	s.must(err)
	s.equal("status of the rejection", answer.QueryRejected.GetStatus(), enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
}
