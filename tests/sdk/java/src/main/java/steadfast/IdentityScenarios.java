package steadfast;

import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED;
import static io.temporal.api.enums.v1.WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING;
import static io.temporal.api.enums.v1.WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING;
import static io.temporal.api.enums.v1.WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY;
import static io.temporal.api.enums.v1.WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE;
import static steadfast.Check.equal;
import static steadfast.Check.that;

import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.TerminatedFailure;
import java.util.List;
import java.util.function.UnaryOperator;
import steadfast.Workflows.CountDown;
import steadfast.Workflows.FailForever;
import steadfast.Workflows.Sleep;

/**
 * What happens when a workflow id is used again: while it runs the conflict policy decides,
 * afterwards the reuse policy.
 */
final class IdentityScenarios {
  private IdentityScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("id conflict: fail", IdentityScenarios::fail),
          new Scenario("id conflict: use existing", IdentityScenarios::useExisting),
          new Scenario("id conflict: terminate existing", IdentityScenarios::terminateExisting),
          new Scenario("id reuse: allow duplicate", IdentityScenarios::allowed),
          new Scenario("id reuse: only after failure", IdentityScenarios::afterFailure),
          new Scenario("id reuse: reject", IdentityScenarios::rejected));

  private static WorkflowExecutionAlreadyStarted refused(
      Stage s, UnaryOperator<WorkflowOptions.Builder> more) {
    return Check.failure(
        WorkflowExecutionAlreadyStarted.class, () -> s.start(more, CountDown.class, 0, 0));
  }

  private static void fail(Stage s) {
    WorkflowStub first = s.start(Sleep.class, RunScenarios.HOUR);
    String named = refused(s, o -> o).getExecution().getRunId();
    equal("run named by the error", named, s.runId(first));
    first.terminate("done");
  }

  private static void useExisting(Stage s) {
    WorkflowStub first = s.start(Sleep.class, RunScenarios.HOUR);
    WorkflowStub second =
        s.start(
            o -> o.setWorkflowIdConflictPolicy(WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING),
            Sleep.class,
            RunScenarios.HOUR);
    equal("run", s.runId(second), s.runId(first));
    first.terminate("done");
  }

  private static void terminateExisting(Stage s) throws Exception {
    WorkflowStub first = s.start(Sleep.class, RunScenarios.HOUR);
    WorkflowStub second =
        s.start(
            o -> o.setWorkflowIdConflictPolicy(WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING),
            Sleep.class,
            1);
    s.failure(s.existing(s.id, s.runId(first)), TerminatedFailure.class);
    s.finish(second);
    equal(
        "status of the first run",
        s.status(s.existing(s.id, s.runId(first))),
        WORKFLOW_EXECUTION_STATUS_TERMINATED);
  }

  private static void allowed(Stage s) throws Exception {
    WorkflowStub first = s.start(CountDown.class, 0, 1);
    equal("first result", s.result(first, Integer.class), 1);
    WorkflowStub second = s.start(CountDown.class, 0, 2);
    equal("second result", s.result(second, Integer.class), 2);
    that(!s.runId(first).equals(s.runId(second)), "both runs are the same");
  }

  private static void afterFailure(Stage s) throws Exception {
    UnaryOperator<WorkflowOptions.Builder> policy =
        o -> o.setWorkflowIdReusePolicy(WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY);
    s.failure(s.start(FailForever.class), ApplicationFailure.class);
    WorkflowStub run = s.start(policy, CountDown.class, 0, 3);
    equal("result after the failure", s.result(run, Integer.class), 3);
    refused(s, policy);
  }

  private static void rejected(Stage s) {
    s.failure(s.start(FailForever.class), ApplicationFailure.class);
    refused(s, o -> o.setWorkflowIdReusePolicy(WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE));
  }
}
