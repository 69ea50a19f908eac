package main

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Activities that are completed from outside the worker, and what a description
// of the workflow tells about activities under way.
var completionGroup = group{
	activities: []any{leaveOpen},
	scenarios: []scenario{
		{"activity is completed by token", completeByToken},
		{"activity is completed by id", completeByID},
		{"activity is failed by id", failByID},
		{"activity is heartbeaten and cancelled from outside", cancelFromOutside},
		{"description of a running activity", describeRunning},
		{"description of a retrying activity", describeRetrying},
	},
}

// leaveOpen returns without a result and hands its token out as a heartbeat,
// where anyone who may describe the workflow can find it.
func leaveOpen(ctx context.Context, _ int) (int, error) {
	activity.RecordHeartbeat(ctx, activity.GetInfo(ctx).TaskToken)
	return 0, activity.ErrResultPending
}

func open() call {
	return call{"leaveOpen", 0, workflow.ActivityOptions{
		ActivityID:          "the one",
		StartToCloseTimeout: 20 * time.Second,
		HeartbeatTimeout:    10 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         quickly(1),
	}}
}

// pending waits until the workflow's only activity is as the scenario wants it.
func (s *stage) pending(what string, wanted func(*workflowpb.PendingActivityInfo) bool) *workflowpb.PendingActivityInfo {
	var found *workflowpb.PendingActivityInfo
	s.eventually(what, func() bool {
		d, err := s.DescribeWorkflowExecution(s, s.id, "")
		s.must(err)
		if len(d.PendingActivities) != 1 {
			return false
		}
		found = d.PendingActivities[0]
		return wanted(found)
	})
	return found
}

// token waits for leaveOpen to hand out its token.
func (s *stage) token() []byte {
	info := s.pending("a task token in the heartbeat", func(info *workflowpb.PendingActivityInfo) bool {
		return info.HeartbeatDetails != nil
	})
	return decode[[]byte](s, info.HeartbeatDetails)
}

func completeByToken(s *stage) {
	run := s.start(oneActivity, open())
	s.must(s.CompleteActivity(s, s.token(), 7, nil))
	s.equal("result", result[int](s, run), 7)
}

func completeByID(s *stage) {
	run := s.start(oneActivity, open())
	s.token()
	s.must(s.CompleteActivityByID(s, namespace(), s.id, run.GetRunID(), "the one", 8, nil))
	s.equal("result", result[int](s, run), 8)
}

func failByID(s *stage) {
	run := s.start(oneActivity, open())
	s.token()
	s.must(s.CompleteActivityByID(s, namespace(), s.id, "", "the one", nil, temporal.NewApplicationError("from outside", "Outside")))
	failure := cause[*temporal.ApplicationError](s, s.failure(run))
	s.equal("message", failure.Message(), "from outside")
	s.equal("type", failure.Type(), "Outside")
}

func cancelFromOutside(s *stage) {
	run := s.start(cancelActivity, open())
	token := s.token()
	s.must(s.SignalWorkflow(s, s.id, "", "cancel", nil))
	// The answer to a heartbeat is how a cancellation travels.
	s.eventually("a heartbeat answered with a cancellation", func() bool {
		return temporal.IsCanceledError(s.RecordActivityHeartbeat(s, token, "still here"))
	})
	s.must(s.CompleteActivity(s, token, nil, temporal.NewCanceledError("stopped from outside")))
	s.equal("last words", result[string](s, run), "stopped from outside")
}

func describeRunning(s *stage) {
	run := s.start(oneActivity, open())
	s.token()
	info := s.pending("a started activity", func(info *workflowpb.PendingActivityInfo) bool {
		return info.State == enumspb.PENDING_ACTIVITY_STATE_STARTED
	})
	s.equal("id", info.ActivityId, "the one")
	s.equal("type", info.ActivityType.Name, "leaveOpen")
	s.equal("attempt", info.Attempt, int32(1))
	s.equal("maximum attempts", info.MaximumAttempts, int32(1))
	s.within("age of the last heartbeat", time.Since(info.LastHeartbeatTime.AsTime()), 0, 5*time.Second)
	s.must(s.CompleteActivityByID(s, namespace(), s.id, "", "the one", 9, nil))
	s.equal("result", result[int](s, run), 9)
}

func describeRetrying(s *stage) {
	run := s.start(oneActivity, call{"succeedAt", 2, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Hour, MaximumInterval: time.Hour},
	}})
	info := s.pending("an activity between attempts", func(info *workflowpb.PendingActivityInfo) bool {
		return info.Attempt == 2
	})
	s.equal("state", info.State, enumspb.PENDING_ACTIVITY_STATE_SCHEDULED)
	s.equal("last failure", info.LastFailure.GetMessage(), "attempt 1 failed")
	s.within("retry interval", info.CurrentRetryInterval.AsDuration(), time.Hour, time.Hour+time.Second)
	s.within("time to the next attempt", time.Until(info.NextAttemptScheduleTime.AsTime()), 59*time.Minute, time.Hour+time.Second)
	s.must(s.TerminateWorkflow(s, s.id, run.GetRunID(), "seen enough"))
}
