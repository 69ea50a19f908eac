package main

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// How runs begin and end, and how one follows another.
var runGroup = group{
	workflows: []any{countDown, cleanUp, failBefore, failForever, tick},
	scenarios: []scenario{
		{"continue as new, result followed", continueAsNew},
		{"workflow is cancelled and cleans up", cancelled},
		{"workflow is terminated", terminated},
		{"workflow execution timeout", executionTimeout},
		{"workflow run timeout", runTimeout},
		{"workflow retries until it completes", workflowRetries},
		{"workflow runs out of attempts", workflowRunsOut},
		{"workflow fails non-retryably", workflowFailsForGood},
		{"cron workflow runs every second", cron},
		{"start delay", startDelay},
		{"signal-with-start cuts a start delay short", startDelayCut},
	},
}

// --- workflows ---

// countDown is one run for every number down to zero. It returns how often it
// was continued, which it knows from what it hands on.
func countDown(ctx workflow.Context, left, done int) (int, error) {
	if left > 0 {
		return 0, workflow.NewContinueAsNewError(ctx, countDown, left-1, done+1)
	}
	return done, nil
}

// cleanUp waits to be cancelled, and does a last thing when it is.
func cleanUp(ctx workflow.Context) error {
	_ = workflow.Sleep(ctx, time.Hour)
	after, _ := workflow.NewDisconnectedContext(ctx)
	after = workflow.WithActivityOptions(after, workflow.ActivityOptions{StartToCloseTimeout: 20 * time.Second})
	if err := workflow.ExecuteActivity(after, succeedAt, 1).Get(after, nil); err != nil {
		return err
	}
	return temporal.NewCanceledError("cleaned up")
}

// failBefore fails in attempts before the wanted one.
func failBefore(ctx workflow.Context, wanted int) (int, error) {
	attempt := int(workflow.GetInfo(ctx).Attempt)
	if attempt < wanted {
		return 0, temporal.NewApplicationError(fmt.Sprintf("attempt %d failed", attempt), "TooEarly")
	}
	return attempt, nil
}

func failForever(workflow.Context) error {
	return temporal.NewNonRetryableApplicationError("no use trying", "Hopeless", nil)
}

// tick is run by cron. It counts its runs; the second fails, and the third still
// knows the result of the first.
func tick(ctx workflow.Context) (int, error) {
	count := 0
	if workflow.HasLastCompletionResult(ctx) {
		if err := workflow.GetLastCompletionResult(ctx, &count); err != nil {
			return 0, err
		}
	}
	if failure := workflow.GetLastError(ctx); failure != nil {
		return 100 + count, nil
	}
	if count == 1 {
		return 0, temporal.NewApplicationError("second run failed", "Second")
	}
	return count + 1, nil
}

// --- scenarios ---

func continueAsNew(s *stage) {
	run := s.start(countDown, 2, 0)
	first := run.GetRunID()
	s.equal("runs before the last", result[int](s, run), 2)
	s.equal("status of the first run", s.status(s.id, first), enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW)

	last, err := s.DescribeWorkflowExecution(s, s.id, "")
	s.must(err)
	s.equal("status of the last run", last.WorkflowExecutionInfo.Status, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	s.equal("first run of the chain", last.WorkflowExecutionInfo.FirstRunId, first)
}

func cancelled(s *stage) {
	run := s.start(cleanUp)
	s.must(s.CancelWorkflow(s, s.id, ""))
	var words string
	s.must(cause[*temporal.CanceledError](s, s.failure(run)).Details(&words))
	s.equal("details", words, "cleaned up")
	s.equal("status", s.status(s.id, ""), enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	s.must(s.CancelWorkflow(s, s.id, "")) // of a closed workflow: no harm
}

func terminated(s *stage) {
	run := s.start(sleep, time.Hour)
	s.must(s.TerminateWorkflow(s, s.id, "", "had enough", "a detail"))
	cause[*temporal.TerminatedError](s, s.failure(run))
	s.equal("status", s.status(s.id, ""), enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
	end := s.closing(s.id, "").GetWorkflowExecutionTerminatedEventAttributes()
	s.equal("reason", end.Reason, "had enough")
	s.equal("details", decode[string](s, end.Details), "a detail")
	cause[*serviceerror.NotFound](s, s.TerminateWorkflow(s, s.id, "", "again"))
}

func executionTimeout(s *stage) {
	// An execution timeout ends the whole chain, whatever the retry policy says.
	run := s.startWith(client.StartWorkflowOptions{
		WorkflowExecutionTimeout: time.Second,
		RetryPolicy:              quickly(0),
	}, sleep, time.Hour)
	cause[*temporal.TimeoutError](s, s.failure(run))
	s.equal("status", s.status(s.id, ""), enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT)
	end := s.closing(s.id, run.GetRunID()).GetWorkflowExecutionTimedOutEventAttributes()
	s.equal("next run", end.NewExecutionRunId, "")
}

func runTimeout(s *stage) {
	// A run timeout ends one run, and may be retried.
	run := s.startWith(client.StartWorkflowOptions{
		WorkflowRunTimeout: time.Second,
		RetryPolicy:        quickly(2),
	}, sleep, time.Hour)
	first := run.GetRunID()
	cause[*temporal.TimeoutError](s, s.failure(run))
	end := s.closing(s.id, first).GetWorkflowExecutionTimedOutEventAttributes()
	s.equal("retry state", end.RetryState, enumspb.RETRY_STATE_IN_PROGRESS)
	second := s.closing(s.id, end.NewExecutionRunId).GetWorkflowExecutionTimedOutEventAttributes()
	s.equal("final retry state", second.RetryState, enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED)
}

func workflowRetries(s *stage) {
	run := s.startWith(client.StartWorkflowOptions{RetryPolicy: quickly(0)}, failBefore, 3)
	s.equal("succeeding attempt", result[int](s, run), 3)

	started := s.history(s.id, "")[0].GetWorkflowExecutionStartedEventAttributes()
	s.equal("initiator", started.Initiator, enumspb.CONTINUE_AS_NEW_INITIATOR_RETRY)
	s.equal("failure handed on", started.ContinuedFailure.GetMessage(), "attempt 2 failed")
}

func workflowRunsOut(s *stage) {
	run := s.startWith(client.StartWorkflowOptions{RetryPolicy: quickly(2)}, failBefore, 9)
	s.equal("message", cause[*temporal.ApplicationError](s, s.failure(run)).Message(), "attempt 2 failed")
	end := s.closing(s.id, "").GetWorkflowExecutionFailedEventAttributes()
	s.equal("retry state", end.RetryState, enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED)
}

func workflowFailsForGood(s *stage) {
	run := s.startWith(client.StartWorkflowOptions{RetryPolicy: quickly(0)}, failForever)
	s.equal("type", cause[*temporal.ApplicationError](s, s.failure(run)).Type(), "Hopeless")
	end := s.closing(s.id, "").GetWorkflowExecutionFailedEventAttributes()
	s.equal("retry state", end.RetryState, enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE)
}

func cron(s *stage) {
	run := s.startWith(client.StartWorkflowOptions{CronSchedule: "@every 1s"}, tick)

	first := s.closing(s.id, run.GetRunID())
	completed := first.GetWorkflowExecutionCompletedEventAttributes()
	s.equal("result of the first run", decode[int](s, completed.GetResult()), 1)
	second := s.closing(s.id, completed.GetNewExecutionRunId())
	failed := second.GetWorkflowExecutionFailedEventAttributes()
	s.equal("failure of the second run", failed.GetFailure().GetMessage(), "second run failed")
	third := s.closing(s.id, failed.GetNewExecutionRunId())
	completed = third.GetWorkflowExecutionCompletedEventAttributes()
	s.equal("result of the third run", decode[int](s, completed.GetResult()), 101)
	s.within("time for two runs", third.EventTime.AsTime().Sub(first.EventTime.AsTime()), time.Second, 15*time.Second)

	// The next run follows in the same instant in which one ends, so there always
	// is one to terminate. Nothing else would stop the clock.
	s.must(s.TerminateWorkflow(s, s.id, "", "stop the clock"))
	s.equal("status", s.status(s.id, ""), enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
}

func startDelay(s *stage) {
	const delay = 1200 * time.Millisecond
	run := s.startWith(client.StartWorkflowOptions{StartDelay: delay}, countDown, 0, 0)
	info, err := s.DescribeWorkflowExecution(s, s.id, "")
	s.must(err)
	started := info.WorkflowExecutionInfo.StartTime.AsTime()
	s.equal("status", info.WorkflowExecutionInfo.Status, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	s.within("execution time after start time", info.WorkflowExecutionInfo.ExecutionTime.AsTime().Sub(started), delay, delay+time.Second)
	result[int](s, run)
	tasks := only(s.history(s.id, ""), enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED)
	s.within("first task after start", tasks[0].EventTime.AsTime().Sub(started), delay, delay+2*time.Second)
}

func startDelayCut(s *stage) {
	run := s.startWith(client.StartWorkflowOptions{StartDelay: time.Hour}, collect, 2)
	s.signal(1) // a plain signal waits with the workflow
	_, err := s.SignalWithStartWorkflow(s, s.id, "number", 2, s.complete(client.StartWorkflowOptions{}), collect, 2)
	s.must(err)
	s.equal("numbers", result[[]int](s, run), []int{1, 2})
}
