package steadfast;

import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED;
import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED;
import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING;
import static steadfast.Check.count;
import static steadfast.Check.equal;
import static steadfast.Check.only;
import static steadfast.Check.that;

import io.temporal.api.enums.v1.ParentClosePolicy;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.client.WorkflowStub;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.ChildWorkflowFailure;
import io.temporal.failure.TerminatedFailure;
import java.util.List;
import java.util.stream.Stream;
import steadfast.Workflows.Birth;
import steadfast.Workflows.Canceller;
import steadfast.Workflows.CancellingParent;
import steadfast.Workflows.Child;
import steadfast.Workflows.Family;
import steadfast.Workflows.LeavingParent;
import steadfast.Workflows.Parent;
import steadfast.Workflows.Sender;

/** Child workflows, and workflows that reach out to others. */
final class ChildScenarios {
  private ChildScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("child completes", ChildScenarios::completes),
          new Scenario("child fails", ChildScenarios::fails),
          new Scenario("child retries", ChildScenarios::retries),
          new Scenario("child continues as new", ChildScenarios::continues),
          new Scenario("child is cancelled by its parent", ChildScenarios::cancelled),
          new Scenario("child is terminated", ChildScenarios::terminated),
          new Scenario("child id is taken", ChildScenarios::idTaken),
          new Scenario("parent close policies", ChildScenarios::closePolicies),
          new Scenario("workflow signals another", ChildScenarios::signalExternal),
          new Scenario("workflow cancels another", ChildScenarios::cancelExternal),
          new Scenario("workflow signals and cancels nobody", ChildScenarios::nobody));

  private static String childId(Stage s) {
    return s.id + "-child";
  }

  static void completes(Stage s) throws Exception {
    WorkflowStub run = s.start(Parent.class, Birth.of(childId(s), "complete"));
    equal("child", s.result(run, Family.class), new Family(1, s.id, s.runId(run)));
    List<HistoryEvent> events = s.history(s.id);
    equal("children started", count(events, EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED), 1);
    equal("children completed", count(events, EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED), 1);
  }

  private static void fails(Stage s) {
    WorkflowStub run = s.start(Parent.class, Birth.of(childId(s), "fail"));
    String id = s.failure(run, ChildWorkflowFailure.class).getExecution().getWorkflowId();
    equal("child id", id, childId(s));
    ApplicationFailure failure = s.failure(run, ApplicationFailure.class);
    equal("type", failure.getType(), "Naughty");
    equal("message", failure.getOriginalMessage(), "naughty child");
  }

  private static void retries(Stage s) throws Exception {
    Birth birth =
        new Birth(childId(s), "fail once", 3, ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE);
    WorkflowStub run = s.start(Parent.class, birth);
    equal("succeeding attempt", s.result(run, Family.class).attempt(), 2);
  }

  private static void continues(Stage s) throws Exception {
    WorkflowStub run = s.start(Parent.class, Birth.of(childId(s), "continue"));
    // The parent sees the whole chain as one child.
    equal("parent of the last run", s.result(run, Family.class).parentRun(), s.runId(run));
  }

  private static void cancelled(Stage s) {
    s.failure(
        s.start(CancellingParent.class, Birth.of(childId(s), "wait")), CanceledFailure.class);
    equal("status", s.status(s.existing(childId(s))), WORKFLOW_EXECUTION_STATUS_CANCELED);
  }

  private static void terminated(Stage s) throws Exception {
    WorkflowStub run = s.start(Parent.class, Birth.of(childId(s), "wait"));
    Check.eventually(
        "a running child",
        () -> {
          try {
            s.existing(childId(s)).terminate("enough");
            return true;
          } catch (WorkflowNotFoundException notYet) {
            return false;
          }
        });
    s.failure(run, ChildWorkflowFailure.class);
    s.failure(run, TerminatedFailure.class);
  }

  private static void idTaken(Stage s) throws Exception {
    WorkflowStub first = s.start(o -> o.setWorkflowId(childId(s)), Child.class, "wait");
    WorkflowStub run = s.start(Parent.class, Birth.of(childId(s), "complete"));
    String type = s.failure(run, ApplicationFailure.class).getType();
    that(type.contains("AlreadyStarted"), "type is " + type);
    first.signal("goOn");
    s.result(first, Family.class);
  }

  private static void closePolicies(Stage s) throws Exception {
    Birth[] births =
        Stream.of("ABANDON", "TERMINATE", "REQUEST_CANCEL")
            .map(name -> "PARENT_CLOSE_POLICY_" + name)
            .map(ParentClosePolicy::valueOf)
            .map(policy -> new Birth(s.id + "-" + policy, "wait", 1, policy))
            .toArray(Birth[]::new);
    s.finish(s.start(LeavingParent.class, (Object) births));

    WorkflowStub abandoned = s.existing(births[0].id());
    s.failure(s.existing(births[1].id()), TerminatedFailure.class);
    s.failure(s.existing(births[2].id()), CanceledFailure.class);
    equal("status of the abandoned child", s.status(abandoned), WORKFLOW_EXECUTION_STATUS_RUNNING);
    abandoned.signal("goOn");
    equal("its parent", s.result(abandoned, Family.class).parentId(), s.id);
  }

  private static WorkflowStub target(Stage s) {
    return s.start(o -> o.setWorkflowId(s.id + "-target"), Child.class, "wait");
  }

  private static void signalExternal(Stage s) throws Exception {
    WorkflowStub target = target(s);
    s.finish(s.start(Sender.class, s.id + "-target"));
    s.result(target, Family.class);
    HistoryEvent signal =
        only(s.history(s.id + "-target"), EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED).get(0);
    String source =
        signal
            .getWorkflowExecutionSignaledEventAttributes()
            .getExternalWorkflowExecution()
            .getWorkflowId();
    equal("source of the signal", source, s.id);
  }

  private static void cancelExternal(Stage s) throws Exception {
    WorkflowStub target = target(s);
    s.finish(s.start(Canceller.class, s.id + "-target"));
    s.failure(target, CanceledFailure.class);
  }

  private static void nobody(Stage s) {
    for (Class<?> workflow : List.of(Sender.class, Canceller.class)) {
      String id = s.id + "-" + workflow.getSimpleName();
      WorkflowStub run = s.start(o -> o.setWorkflowId(id), workflow, s.id + "-nobody");
      String type = s.failure(run, ApplicationFailure.class).getType();
      that(type.endsWith("NOT_FOUND"), "type is " + type);
    }
  }
}
