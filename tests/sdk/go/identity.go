package main

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// What happens when a workflow id is used again: while it runs the conflict
// policy decides, afterwards the reuse policy.
var identityGroup = group{
	scenarios: []scenario{
		{"id conflict: fail", conflictFail},
		{"id conflict: use existing", conflictUseExisting},
		{"id conflict: terminate existing", conflictTerminate},
		{"id reuse: allow duplicate", reuseAllowed},
		{"id reuse: only after failure", reuseAfterFailure},
		{"id reuse: reject", reuseRejected},
	},
}

func conflictFail(s *stage) {
	first := s.start(sleep, time.Hour)
	_, err := s.ExecuteWorkflow(s, s.complete(client.StartWorkflowOptions{}), sleep, time.Hour)
	s.equal("run named by the error", cause[*serviceerror.WorkflowExecutionAlreadyStarted](s, err).RunId, first.GetRunID())
	s.must(s.TerminateWorkflow(s, s.id, "", "done"))
}

func conflictUseExisting(s *stage) {
	first := s.start(sleep, time.Hour)
	second := s.startWith(client.StartWorkflowOptions{
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, sleep, time.Hour)
	s.equal("run", second.GetRunID(), first.GetRunID())
	s.must(s.TerminateWorkflow(s, s.id, "", "done"))
}

func conflictTerminate(s *stage) {
	first := s.start(sleep, time.Hour)
	second := s.startWith(client.StartWorkflowOptions{
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
	}, sleep, time.Millisecond)
	cause[*temporal.TerminatedError](s, s.failure(first))
	s.must(second.Get(s, nil))
	s.equal("status of the first run", s.status(s.id, first.GetRunID()), enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
}

func reuseAllowed(s *stage) {
	first := s.start(countDown, 0, 1)
	s.equal("first result", result[int](s, first), 1)
	second := s.start(countDown, 0, 2)
	s.equal("second result", result[int](s, second), 2)
	if first.GetRunID() == second.GetRunID() {
		s.failf("both runs are %s", first.GetRunID())
	}
}

func reuseAfterFailure(s *stage) {
	options := client.StartWorkflowOptions{
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
	}
	s.failure(s.start(failForever))
	run := s.startWith(options, countDown, 0, 3)
	s.equal("result after the failure", result[int](s, run), 3)
	_, err := s.ExecuteWorkflow(s, s.complete(options), countDown, 0, 4)
	cause[*serviceerror.WorkflowExecutionAlreadyStarted](s, err)
}

func reuseRejected(s *stage) {
	s.failure(s.start(failForever))
	_, err := s.ExecuteWorkflow(s, s.complete(client.StartWorkflowOptions{
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}), countDown, 0, 0)
	cause[*serviceerror.WorkflowExecutionAlreadyStarted](s, err)
}
