package main

import (
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Long histories, workers without a cache, and replay.
var historyGroup = group{
	workflows: []any{longStory, errands},
	scenarios: []scenario{
		{"history of some hundred events, in pages", longHistory},
		{"tasks of a cached workflow are sticky", stickyTasks},
	},
}

// cachelessScenarios run on a worker that forgets every workflow between tasks,
// so every task needs the whole history.
var cachelessScenarios = []scenario{
	{"without cache: a bit of everything", cachelessErrands},
	{"without cache: history of some hundred events", longHistory},
	{"without cache: query of a running workflow", queryRunning},
	{"without cache: query of a closed workflow", queryClosed},
	{"without cache: child completes", childCompletes},
	{"without cache: continue as new", continueAsNew},
}

// longStory has chapters of twenty activities side by side.
func longStory(ctx workflow.Context, chapters int) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	done := 0
	for range chapters {
		var running []workflow.Future
		for range 20 {
			running = append(running, workflow.ExecuteActivity(ctx, succeedAt, 1))
		}
		for _, activity := range running {
			if err := activity.Get(ctx, nil); err != nil {
				return done, err
			}
			done++
		}
	}
	return done, nil
}

// errands mixes what keeps a workflow waiting: activity, timer, child, signal.
func errands(ctx workflow.Context) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy:         quickly(0),
	})
	var attempt int
	if err := workflow.ExecuteActivity(ctx, succeedAt, 2).Get(ctx, &attempt); err != nil {
		return "", err
	}
	if err := workflow.Sleep(ctx, 100*time.Millisecond); err != nil {
		return "", err
	}
	var offspring family
	if err := workflow.ExecuteChildWorkflow(ctx, child, "complete").Get(ctx, &offspring); err != nil {
		return "", err
	}
	var word string
	workflow.GetSignalChannel(ctx, "word").Receive(ctx, &word)
	return fmt.Sprintf("%d %d %s", attempt, offspring.Attempt, word), nil
}

// --- scenarios ---

func longHistory(s *stage) {
	run := s.start(longStory, 7)
	s.equal("activities done", result[int](s, run), 140)

	// Page by page, forwards: every event once and in order.
	var forwards []int64
	request := &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: namespace(), Execution: execution(run), MaximumPageSize: 50,
	}
	pages := 0
	for {
		page, err := s.WorkflowService().GetWorkflowExecutionHistory(s, request)
		s.must(err)
		pages++
		for _, event := range page.History.Events {
			forwards = append(forwards, event.EventId)
		}
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			break
		}
	}
	for i, id := range forwards {
		s.equal("event id", id, int64(i+1))
	}
	// How large pages get is the server's choice: it may round up to whole
	// transactions.
	if len(forwards) < 420 || pages < 2 {
		s.failf("only %d events on %d pages", len(forwards), pages)
	}

	// And backwards.
	var backwards []int64
	reverse := &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: namespace(), Execution: execution(run), MaximumPageSize: 50,
	}
	for {
		page, err := s.WorkflowService().GetWorkflowExecutionHistoryReverse(s, reverse)
		s.must(err)
		for _, event := range page.History.Events {
			backwards = append(backwards, event.EventId)
		}
		if reverse.NextPageToken = page.NextPageToken; len(reverse.NextPageToken) == 0 {
			break
		}
	}
	slices.Reverse(backwards)
	s.equal("events read backwards", backwards, forwards)
}

// runErrands plays the errands workflow and returns the kinds of task queue its
// tasks were scheduled on.
func runErrands(s *stage) map[enumspb.TaskQueueKind]int {
	run := s.start(errands)
	s.must(s.SignalWorkflow(s, s.id, "", "word", "bread"))
	s.equal("result", result[string](s, run), "2 1 bread")
	kinds := map[enumspb.TaskQueueKind]int{}
	for _, event := range only(s.history(s.id, ""), enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED) {
		kinds[event.GetWorkflowTaskScheduledEventAttributes().TaskQueue.Kind]++
	}
	return kinds
}

func stickyTasks(s *stage) {
	kinds := runErrands(s)
	s.equal("normal tasks", kinds[enumspb.TASK_QUEUE_KIND_NORMAL], 1) // the very first
	if kinds[enumspb.TASK_QUEUE_KIND_STICKY] == 0 {
		s.failf("no sticky task")
	}
}

func cachelessErrands(s *stage) {
	s.equal("sticky tasks", runErrands(s)[enumspb.TASK_QUEUE_KIND_STICKY], 0)
}

// replayEverything feeds the histories of all runs of this program, children and
// successors included, to the same code again.
func replayEverything(s *stage) {
	mine := fmt.Sprintf("WorkflowId STARTS_WITH '%s'", s.taskQueue)
	s.eventually("no workflow left running", func() bool {
		return s.count(mine+" AND ExecutionStatus = 'Running'") == 0
	})

	replayer := worker.NewWorkflowReplayer()
	for _, g := range groups {
		for _, wf := range g.workflows {
			replayer.RegisterWorkflow(wf)
		}
	}
	replayed := 0
	for _, run := range s.everyRun(mine) {
		events := s.history(run.Execution.WorkflowId, run.Execution.RunId)
		if len(only(events, enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)) == 0 {
			continue // ended before its code ever ran
		}
		err := replayer.ReplayWorkflowHistoryWithOptions(quiet{}, &historypb.History{Events: events},
			worker.ReplayWorkflowHistoryOptions{OriginalExecution: workflow.Execution{
				ID: run.Execution.WorkflowId, RunID: run.Execution.RunId,
			}})
		if err != nil {
			s.failf("replay of %s (%s): %v", run.Execution.WorkflowId, run.Execution.RunId, err)
		}
		replayed++
	}
	if replayed < 80 {
		s.failf("only %d histories to replay", replayed)
	}
}

func (s *stage) everyRun(query string) []*workflowpb.WorkflowExecutionInfo {
	var runs []*workflowpb.WorkflowExecutionInfo
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query}
	for {
		page, err := s.ListWorkflow(s, request)
		s.must(err)
		runs = append(runs, page.Executions...)
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			return runs
		}
	}
}

func execution(run client.WorkflowRun) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: run.GetID(), RunId: run.GetRunID()}
}
