package main

import (
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Child workflows, and workflows that reach out to others.
var childGroup = group{
	workflows: []any{parent, cancellingParent, leavingParent, child, sender, canceller},
	scenarios: []scenario{
		{"child completes", childCompletes},
		{"child fails", childFails},
		{"child retries", childRetries},
		{"child continues as new", childContinues},
		{"child is cancelled by its parent", childCancelled},
		{"child is terminated", childTerminated},
		{"child id is taken", childIDTaken},
		{"parent close policies", parentClosePolicies},
		{"workflow signals another", signalExternal},
		{"workflow cancels another", cancelExternal},
		{"workflow signals and cancels nobody", externalNobody},
	},
}

// --- workflows ---

// birth says how a parent starts its child and what the child shall do.
type birth struct {
	Options  workflow.ChildWorkflowOptions
	Behavior string
}

// family is what a child knows of its parent.
type family struct {
	Attempt             int32
	ParentID, ParentRun string
}

// child behaves as told. Some scenarios run it without a parent.
func child(ctx workflow.Context, behavior string) (family, error) {
	info := workflow.GetInfo(ctx)
	self := family{Attempt: info.Attempt}
	if p := info.ParentWorkflowExecution; p != nil {
		self.ParentID, self.ParentRun = p.ID, p.RunID
	}
	switch behavior {
	case "fail":
		return self, temporal.NewApplicationErrorWithOptions("naughty child", "Naughty", temporal.ApplicationErrorOptions{NonRetryable: true})
	case "fail once":
		if info.Attempt == 1 {
			return self, errors.New("first attempt")
		}
	case "continue":
		return self, workflow.NewContinueAsNewError(ctx, child, "complete")
	case "wait":
		// For a signal, or until cancelled.
		selector := workflow.NewSelector(ctx)
		selector.AddReceive(workflow.GetSignalChannel(ctx, "go on"), func(c workflow.ReceiveChannel, _ bool) {
			c.Receive(ctx, nil)
		})
		selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
		selector.Select(ctx)
		return self, ctx.Err()
	}
	return self, nil
}

func parent(ctx workflow.Context, b birth) (result family, err error) {
	ctx = workflow.WithChildOptions(ctx, b.Options)
	err = workflow.ExecuteChildWorkflow(ctx, child, b.Behavior).Get(ctx, &result)
	return result, err
}

// cancellingParent cancels its child as soon as it runs and returns what becomes
// of it.
func cancellingParent(ctx workflow.Context, b birth) error {
	childCtx, cancel := workflow.WithCancel(workflow.WithChildOptions(ctx, b.Options))
	running := workflow.ExecuteChildWorkflow(childCtx, child, b.Behavior)
	if err := running.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return err
	}
	cancel()
	return running.Get(ctx, nil)
}

// leavingParent returns as soon as all its children run.
func leavingParent(ctx workflow.Context, births []birth) error {
	for _, b := range births {
		childCtx := workflow.WithChildOptions(ctx, b.Options)
		running := workflow.ExecuteChildWorkflow(childCtx, child, b.Behavior)
		if err := running.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func sender(ctx workflow.Context, target, signal string) error {
	return workflow.SignalExternalWorkflow(ctx, target, "", signal, nil).Get(ctx, nil)
}

func canceller(ctx workflow.Context, target string) error {
	return workflow.RequestCancelExternalWorkflow(ctx, target, "").Get(ctx, nil)
}

// --- scenarios ---

func childCompletes(s *stage) {
	run := s.start(parent, birth{workflow.ChildWorkflowOptions{WorkflowID: s.id + "-child"}, "complete"})
	s.equal("child", result[family](s, run), family{1, s.id, run.GetRunID()})
	events := s.history(run.GetID(), run.GetRunID())
	s.equal("children started", len(only(events, enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED)), 1)
	s.equal("children completed", len(only(events, enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED)), 1)
}

func childFails(s *stage) {
	run := s.start(parent, birth{workflow.ChildWorkflowOptions{WorkflowID: s.id + "-child"}, "fail"})
	err := s.failure(run)
	s.equal("child id", cause[*temporal.ChildWorkflowExecutionError](s, err).WorkflowID(), s.id+"-child")
	s.equal("type", cause[*temporal.ApplicationError](s, err).Type(), "Naughty")
	s.equal("message", cause[*temporal.ApplicationError](s, err).Message(), "naughty child")
}

func childRetries(s *stage) {
	run := s.start(parent, birth{workflow.ChildWorkflowOptions{RetryPolicy: quickly(3)}, "fail once"})
	s.equal("succeeding attempt", result[family](s, run).Attempt, int32(2))
}

func childContinues(s *stage) {
	run := s.start(parent, birth{Behavior: "continue"})
	// The parent sees the whole chain as one child.
	s.equal("parent of the last run", result[family](s, run).ParentRun, run.GetRunID())
}

func childCancelled(s *stage) {
	id := s.id + "-child"
	run := s.start(cancellingParent, birth{workflow.ChildWorkflowOptions{WorkflowID: id, WaitForCancellation: true}, "wait"})
	cause[*temporal.CanceledError](s, s.failure(run))
	s.equal("status of the child", s.status(id, ""), enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
}

func childTerminated(s *stage) {
	id := s.id + "-child"
	run := s.start(parent, birth{workflow.ChildWorkflowOptions{WorkflowID: id}, "wait"})
	s.eventually("a running child", func() bool { return s.TerminateWorkflow(s, id, "", "enough") == nil })
	err := s.failure(run)
	cause[*temporal.ChildWorkflowExecutionError](s, err)
	cause[*temporal.TerminatedError](s, err)
}

func childIDTaken(s *stage) {
	id := s.id + "-child"
	s.startWith(client.StartWorkflowOptions{ID: id}, child, "wait")
	run := s.start(parent, birth{workflow.ChildWorkflowOptions{WorkflowID: id}, "complete"})
	err := s.failure(run)
	s.equal("type", cause[*temporal.ApplicationError](s, err).Type(), "ChildWorkflowExecutionAlreadyStartedError")
	s.must(s.SignalWorkflow(s, id, "", "go on", nil))
}

func parentClosePolicies(s *stage) {
	id := func(policy enumspb.ParentClosePolicy) string { return s.id + "-" + policy.String() }
	var births []birth
	for _, policy := range []enumspb.ParentClosePolicy{
		enumspb.PARENT_CLOSE_POLICY_ABANDON,
		enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
	} {
		births = append(births, birth{workflow.ChildWorkflowOptions{WorkflowID: id(policy), ParentClosePolicy: policy}, "wait"})
	}
	s.must(s.start(leavingParent, births).Get(s, nil))

	abandoned := s.GetWorkflow(s, id(enumspb.PARENT_CLOSE_POLICY_ABANDON), "")
	terminated := s.GetWorkflow(s, id(enumspb.PARENT_CLOSE_POLICY_TERMINATE), "")
	cancelled := s.GetWorkflow(s, id(enumspb.PARENT_CLOSE_POLICY_REQUEST_CANCEL), "")
	cause[*temporal.TerminatedError](s, s.failure(terminated))
	cause[*temporal.CanceledError](s, s.failure(cancelled))
	s.equal("status of the abandoned child", s.status(abandoned.GetID(), ""), enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING)
	s.must(s.SignalWorkflow(s, abandoned.GetID(), "", "go on", nil))
	s.equal("parent of the abandoned child", result[family](s, abandoned).ParentID, s.id)
}

func signalExternal(s *stage) {
	target := s.startWith(client.StartWorkflowOptions{ID: s.id + "-target"}, child, "wait")
	s.must(s.start(sender, target.GetID(), "go on").Get(s, nil))
	s.must(target.Get(s, nil))
	signals := only(s.history(target.GetID(), target.GetRunID()), enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED)
	source := signals[0].GetWorkflowExecutionSignaledEventAttributes().ExternalWorkflowExecution
	s.equal("source of the signal", source.GetWorkflowId(), s.id)
}

func cancelExternal(s *stage) {
	target := s.startWith(client.StartWorkflowOptions{ID: s.id + "-target"}, child, "wait")
	s.must(s.start(canceller, target.GetID()).Get(s, nil))
	cause[*temporal.CanceledError](s, s.failure(target))
}

func externalNobody(s *stage) {
	err := s.failure(s.start(sender, s.id+"-nobody", "go on"))
	s.equal("type", cause[*temporal.ApplicationError](s, err).Type(), "UnknownExternalWorkflowExecutionError")
	err = s.failure(s.startWith(client.StartWorkflowOptions{ID: s.id + "-2"}, canceller, s.id+"-nobody"))
	s.equal("type", cause[*temporal.ApplicationError](s, err).Type(), "UnknownExternalWorkflowExecutionError")
}
