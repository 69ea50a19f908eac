package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

var activityGroup = group{
	workflows:  []any{oneActivity, cancelActivity, localActivity},
	activities: []any{succeedAt, failForGood, resume, oversleep, beatAndStall, beatUntilCancelled},
	scenarios: []scenario{
		{"activity retries until it succeeds", activityRetries},
		{"activity runs out of attempts", activityRunsOut},
		{"activity fails non-retryably", activityFailsForGood},
		{"activity error type listed as non-retryable", activityTypeListed},
		{"heartbeat details reach the next attempt", heartbeatResumes},
		{"start-to-close timeout", startToClose},
		{"heartbeat timeout", heartbeatTimeout},
		{"schedule-to-start timeout", scheduleToStart},
		{"schedule-to-close timeout ends the retries", scheduleToClose},
		{"activity learns of its cancellation by heartbeat", cancelByHeartbeat},
		{"activity is cancelled before it starts", cancelBeforeStart},
		{"local activity retries", localRetries},
		{"local activity outlives its workflow task", localOutlives},
	},
}

// --- workflows ---

// call says which activity to run and how.
type call struct {
	Activity string
	Arg      int
	Options  workflow.ActivityOptions
}

// oneActivity runs a single activity and ends the way the activity does.
func oneActivity(ctx workflow.Context, c call) (result int, err error) {
	ctx = workflow.WithActivityOptions(ctx, c.Options)
	err = workflow.ExecuteActivity(ctx, c.Activity, c.Arg).Get(ctx, &result)
	return result, err
}

// cancelActivity lets an activity run until it is signalled, cancels it and
// returns what the activity says to that.
func cancelActivity(ctx workflow.Context, c call) (lastWords string, err error) {
	ctx, cancel := workflow.WithCancel(workflow.WithActivityOptions(ctx, c.Options))
	running := workflow.ExecuteActivity(ctx, c.Activity, c.Arg)
	workflow.GetSignalChannel(ctx, "cancel").Receive(ctx, nil)
	cancel()
	err = running.Get(ctx, nil)
	var canceled *temporal.CanceledError
	if !errors.As(err, &canceled) {
		return "", fmt.Errorf("activity was not cancelled: %v", err)
	}
	if canceled.HasDetails() {
		err = canceled.Details(&lastWords)
		return lastWords, err
	}
	return "", nil
}

// localActivity sleeps, if told so, and fails until its third attempt.
func localActivity(ctx workflow.Context, length time.Duration) (attempt int, err error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 10 * time.Millisecond},
	})
	if length > 0 {
		err = workflow.ExecuteLocalActivity(ctx, func(context.Context) error {
			time.Sleep(length)
			return nil
		}).Get(ctx, nil)
		if err != nil {
			return 0, err
		}
	}
	err = workflow.ExecuteLocalActivity(ctx, succeedAt, 3).Get(ctx, &attempt)
	return attempt, err
}

// --- activities ---

// succeedAt fails before the given attempt; from it on it returns its attempt.
func succeedAt(ctx context.Context, wanted int) (int, error) {
	attempt := int(activity.GetInfo(ctx).Attempt)
	if attempt < wanted {
		return 0, temporal.NewApplicationError(fmt.Sprintf("attempt %d failed", attempt), "TooEarly", attempt)
	}
	return attempt, nil
}

func failForGood(ctx context.Context, _ int) error {
	return temporal.NewNonRetryableApplicationError("no use trying", "Hopeless", nil)
}

// resume leaves a note in its first attempt and finds it in the second.
func resume(ctx context.Context, note int) (int, error) {
	if !activity.HasHeartbeatDetails(ctx) {
		activity.RecordHeartbeat(ctx, note)
		return 0, temporal.NewApplicationError("crashed halfway", "Crash")
	}
	var found int
	err := activity.GetHeartbeatDetails(ctx, &found)
	return found, err
}

// oversleep ignores its context, as a stuck program would.
func oversleep(_ context.Context, milliseconds int) error {
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	return nil
}

func beatAndStall(ctx context.Context, note int) error {
	activity.RecordHeartbeat(ctx, note)
	time.Sleep(2 * time.Second)
	return nil
}

func beatUntilCancelled(ctx context.Context, _ int) error {
	for {
		select {
		case <-ctx.Done():
			return temporal.NewCanceledError("tidied up")
		case <-time.After(100 * time.Millisecond):
			activity.RecordHeartbeat(ctx)
		}
	}
}

// --- scenarios ---

// quickly retries without the leisurely pauses of the default policy.
func quickly(attempts int32) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond, MaximumAttempts: attempts}
}

func activityRetries(s *stage) {
	run := s.start(oneActivity, call{"succeedAt", 3, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy:         quickly(0),
	}})
	s.equal("succeeding attempt", result[int](s, run), 3)

	// However many attempts there were, history has one start: the last one,
	// which tells why there was a retry.
	started := only(s.history(run.GetID(), run.GetRunID()), enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED)
	s.equal("number of start events", len(started), 1)
	last := started[0].GetActivityTaskStartedEventAttributes()
	s.equal("attempt in history", last.Attempt, int32(3))
	s.equal("last failure in history", last.LastFailure.GetMessage(), "attempt 2 failed")
}

func activityRunsOut(s *stage) {
	run := s.start(oneActivity, call{"succeedAt", 9, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy:         quickly(2),
	}})
	err := s.failure(run)
	s.equal("retry state", cause[*temporal.ActivityError](s, err).RetryState(), enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED)
	failure := cause[*temporal.ApplicationError](s, err)
	s.equal("message", failure.Message(), "attempt 2 failed")
	s.equal("type", failure.Type(), "TooEarly")
	var attempt int
	s.must(failure.Details(&attempt))
	s.equal("details", attempt, 2)
}

func activityFailsForGood(s *stage) {
	run := s.start(oneActivity, call{"failForGood", 0, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy:         quickly(0),
	}})
	err := s.failure(run)
	s.equal("retry state", cause[*temporal.ActivityError](s, err).RetryState(), enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE)
	s.equal("message", cause[*temporal.ApplicationError](s, err).Message(), "no use trying")
}

func activityTypeListed(s *stage) {
	policy := quickly(0)
	policy.NonRetryableErrorTypes = []string{"TooEarly"}
	run := s.start(oneActivity, call{"succeedAt", 2, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy:         policy,
	}})
	err := s.failure(run)
	s.equal("retry state", cause[*temporal.ActivityError](s, err).RetryState(), enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE)
	s.equal("message", cause[*temporal.ApplicationError](s, err).Message(), "attempt 1 failed")
}

func heartbeatResumes(s *stage) {
	run := s.start(oneActivity, call{"resume", 41, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		HeartbeatTimeout:    3 * time.Second,
		RetryPolicy:         quickly(3),
	}})
	s.equal("note found", result[int](s, run), 41)
}

func startToClose(s *stage) {
	run := s.start(oneActivity, call{"oversleep", 1500, workflow.ActivityOptions{
		StartToCloseTimeout: time.Second,
		RetryPolicy:         quickly(2),
	}})
	err := s.failure(run)
	s.equal("retry state", cause[*temporal.ActivityError](s, err).RetryState(), enumspb.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED)
	timeout := cause[*temporal.TimeoutError](s, err)
	s.equal("timeout", timeout.TimeoutType(), enumspb.TIMEOUT_TYPE_START_TO_CLOSE)
	// The timeout of the second attempt carries that of the first.
	s.equal("earlier timeout", cause[*temporal.TimeoutError](s, timeout.Unwrap()).TimeoutType(), enumspb.TIMEOUT_TYPE_START_TO_CLOSE)
}

func heartbeatTimeout(s *stage) {
	run := s.start(oneActivity, call{"beatAndStall", 42, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		HeartbeatTimeout:    time.Second,
		RetryPolicy:         quickly(1),
	}})
	timeout := cause[*temporal.TimeoutError](s, s.failure(run))
	s.equal("timeout", timeout.TimeoutType(), enumspb.TIMEOUT_TYPE_HEARTBEAT)
	var note int
	s.must(timeout.LastHeartbeatDetails(&note))
	s.equal("last heartbeat", note, 42)
}

func scheduleToStart(s *stage) {
	run := s.start(oneActivity, call{"oversleep", 0, workflow.ActivityOptions{
		TaskQueue:              s.taskQueue + "-deserted",
		ScheduleToStartTimeout: time.Second,
		StartToCloseTimeout:    20 * time.Second,
	}})
	timeout := cause[*temporal.TimeoutError](s, s.failure(run))
	s.equal("timeout", timeout.TimeoutType(), enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START)
}

func scheduleToClose(s *stage) {
	run := s.start(oneActivity, call{"succeedAt", 99, workflow.ActivityOptions{
		ScheduleToCloseTimeout: 5 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 3 * time.Second, BackoffCoefficient: 1},
	}})
	err := s.failure(run)
	// The failure is the activity's own: a third attempt would come too late,
	// and the server says so right after the second.
	s.equal("retry state", cause[*temporal.ActivityError](s, err).RetryState(), enumspb.RETRY_STATE_TIMEOUT)
	s.equal("message", cause[*temporal.ApplicationError](s, err).Message(), "attempt 2 failed")
}

func cancelByHeartbeat(s *stage) {
	run := s.start(cancelActivity, call{"beatUntilCancelled", 0, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		HeartbeatTimeout:    time.Second,
		WaitForCancellation: true,
	}})
	s.pending("a heartbeat", func(info *workflowpb.PendingActivityInfo) bool { return info.LastHeartbeatTime != nil })
	s.must(s.SignalWorkflow(s, s.id, "", "cancel", nil))
	s.equal("last words", result[string](s, run), "tidied up")
	events := s.history(run.GetID(), run.GetRunID())
	s.equal("cancel requests", len(only(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED)), 1)
	s.equal("cancellations", len(only(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED)), 1)
}

func cancelBeforeStart(s *stage) {
	run := s.start(cancelActivity, call{"oversleep", 0, workflow.ActivityOptions{
		TaskQueue:           s.taskQueue + "-deserted",
		StartToCloseTimeout: 20 * time.Second,
		WaitForCancellation: true,
	}})
	s.pending("a scheduled activity", func(*workflowpb.PendingActivityInfo) bool { return true })
	s.must(s.SignalWorkflow(s, s.id, "", "cancel", nil))
	result[string](s, run)
	events := s.history(run.GetID(), run.GetRunID())
	s.equal("cancellations", len(only(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_CANCELED)), 1)
	s.equal("starts", len(only(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED)), 0)
}

func localRetries(s *stage) {
	run := s.start(localActivity, time.Duration(0))
	s.equal("succeeding attempt", result[int](s, run), 3)
	events := s.history(run.GetID(), run.GetRunID())
	s.equal("markers", len(only(events, enumspb.EVENT_TYPE_MARKER_RECORDED)), 1)
	s.equal("scheduled activities", len(only(events, enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)), 0)
}

// A local activity that takes longer than a workflow task may is kept alive by
// completing the task and asking for a new one at once.
func localOutlives(s *stage) {
	run := s.startWith(client.StartWorkflowOptions{WorkflowTaskTimeout: 10 * time.Second}, localActivity, 9*time.Second)
	s.equal("succeeding attempt", result[int](s, run), 3)
	events := s.history(run.GetID(), run.GetRunID())
	s.equal("task timeouts", len(only(events, enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT)), 0)
	if tasks := len(only(events, enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)); tasks < 2 {
		s.failf("only %d workflow tasks for 9 s of local activity", tasks)
	}
}
