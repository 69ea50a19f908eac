package steadfast;

import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED;
import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED;
import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW;
import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING;
import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED;
import static io.temporal.api.enums.v1.WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT;
import static steadfast.Check.decode;
import static steadfast.Check.equal;
import static steadfast.Check.milliseconds;
import static steadfast.Check.seconds;
import static steadfast.Check.within;

import io.temporal.api.enums.v1.ContinueAsNewInitiator;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.RetryState;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.client.WorkflowExecutionDescription;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.client.WorkflowStub;
import io.temporal.common.RetryOptions;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.TerminatedFailure;
import io.temporal.failure.TimeoutFailure;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import steadfast.Workflows.CleanUp;
import steadfast.Workflows.Collect;
import steadfast.Workflows.CountDown;
import steadfast.Workflows.FailBefore;
import steadfast.Workflows.FailForever;
import steadfast.Workflows.Sleep;
import steadfast.Workflows.Tick;

/** How runs begin and end, and how one follows another. */
final class RunScenarios {
  private RunScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("continue as new, result followed", RunScenarios::continueAsNew),
          new Scenario("workflow is cancelled and cleans up", RunScenarios::cancelled),
          new Scenario("workflow is terminated", RunScenarios::terminated),
          new Scenario("workflow execution timeout", RunScenarios::executionTimeout),
          new Scenario("workflow run timeout", RunScenarios::runTimeout),
          new Scenario("workflow retries until it completes", RunScenarios::retries),
          new Scenario("workflow runs out of attempts", RunScenarios::runsOut),
          new Scenario("workflow fails non-retryably", RunScenarios::failsForGood),
          new Scenario("cron workflow runs every second", RunScenarios::cron),
          new Scenario("start delay", RunScenarios::startDelay),
          new Scenario(
              "signal-with-start cuts a start delay short", RunScenarios::startDelayCut));

  static final long HOUR = 3_600_000;

  /** Retries without the leisurely pauses of the default policy; 0 attempts are unlimited. */
  private static RetryOptions quickly(int attempts) {
    return RetryOptions.newBuilder()
        .setInitialInterval(Duration.ofMillis(50))
        .setMaximumAttempts(attempts)
        .build();
  }

  static void continueAsNew(Stage s) throws Exception {
    WorkflowStub run = s.start(CountDown.class, 2, 0);
    String first = s.runId(run);
    equal("runs before the last", s.result(run, Integer.class), 2);
    equal(
        "status of the first run",
        s.status(s.existing(s.id, first)),
        WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW);
    WorkflowExecutionDescription last = s.existing(s.id).describe();
    equal("status of the last run", last.getStatus(), WORKFLOW_EXECUTION_STATUS_COMPLETED);
    equal("first run of the chain", last.getFirstRunId(), first);
  }

  private static void cancelled(Stage s) {
    WorkflowStub run = s.start(CleanUp.class);
    run.cancel();
    s.failure(run, CanceledFailure.class);
    equal("status", s.status(run), WORKFLOW_EXECUTION_STATUS_CANCELED);
    int cleanups = Check.count(s.history(s.id), EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED);
    equal("activities that cleaned up", cleanups, 1);
    run.cancel(); // of a closed workflow: no harm
  }

  private static void terminated(Stage s) throws Exception {
    WorkflowStub run = s.start(Sleep.class, HOUR);
    run.terminate("had enough", "a detail");
    s.failure(run, TerminatedFailure.class);
    equal("status", s.status(run), WORKFLOW_EXECUTION_STATUS_TERMINATED);
    var end = s.closing(s.id, s.runId(run)).getWorkflowExecutionTerminatedEventAttributes();
    equal("reason", end.getReason(), "had enough");
    equal("details", decode(end.getDetails(), String.class), "a detail");
    Check.failure(
        WorkflowNotFoundException.class,
        () -> {
          run.terminate("again");
          return null;
        });
  }

  private static void executionTimeout(Stage s) throws Exception {
    // An execution timeout ends the whole chain, whatever the retry policy says.
    WorkflowStub run =
        s.start(
            o -> o.setWorkflowExecutionTimeout(seconds(1)).setRetryOptions(quickly(0)),
            Sleep.class,
            HOUR);
    s.failure(run, TimeoutFailure.class);
    equal("status", s.status(run), WORKFLOW_EXECUTION_STATUS_TIMED_OUT);
    var end = s.closing(s.id, s.runId(run)).getWorkflowExecutionTimedOutEventAttributes();
    equal("next run", end.getNewExecutionRunId(), "");
  }

  private static void runTimeout(Stage s) throws Exception {
    // A run timeout ends one run, and may be retried.
    WorkflowStub run =
        s.start(
            o -> o.setWorkflowRunTimeout(seconds(1)).setRetryOptions(quickly(2)),
            Sleep.class,
            HOUR);
    String runId = s.runId(run);
    s.failure(run, TimeoutFailure.class);
    var first = s.closing(s.id, runId).getWorkflowExecutionTimedOutEventAttributes();
    equal("retry state", first.getRetryState(), RetryState.RETRY_STATE_IN_PROGRESS);
    var second =
        s.closing(s.id, first.getNewExecutionRunId())
            .getWorkflowExecutionTimedOutEventAttributes();
    equal(
        "final retry state",
        second.getRetryState(),
        RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED);
  }

  private static void retries(Stage s) throws Exception {
    WorkflowStub run = s.start(o -> o.setRetryOptions(quickly(0)), FailBefore.class, 3);
    equal("succeeding attempt", s.result(run, Integer.class), 3);
    var started = s.history(s.id).get(0).getWorkflowExecutionStartedEventAttributes();
    equal(
        "initiator",
        started.getInitiator(),
        ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY);
    equal("failure handed on", started.getContinuedFailure().getMessage(), "attempt 2 failed");
  }

  private static void runsOut(Stage s) {
    WorkflowStub run = s.start(o -> o.setRetryOptions(quickly(2)), FailBefore.class, 9);
    String message = s.failure(run, ApplicationFailure.class).getOriginalMessage();
    equal("message", message, "attempt 2 failed");
    equal("retry state", endState(s), RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED);
  }

  private static void failsForGood(Stage s) {
    WorkflowStub run = s.start(o -> o.setRetryOptions(quickly(0)), FailForever.class);
    equal("type", s.failure(run, ApplicationFailure.class).getType(), "Hopeless");
    equal("retry state", endState(s), RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE);
  }

  private static RetryState endState(Stage s) {
    List<HistoryEvent> ends =
        Check.only(s.history(s.id), EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED);
    return ends.get(0).getWorkflowExecutionFailedEventAttributes().getRetryState();
  }

  private static void cron(Stage s) throws Exception {
    WorkflowStub run = s.start(o -> o.setCronSchedule("@every 1s"), Tick.class);
    HistoryEvent first = s.closing(s.id, s.runId(run));
    var completed = first.getWorkflowExecutionCompletedEventAttributes();
    equal("result of the first run", decode(completed.getResult(), Integer.class), 1);
    HistoryEvent second = s.closing(s.id, completed.getNewExecutionRunId());
    var failed = second.getWorkflowExecutionFailedEventAttributes();
    equal("failure of the second", failed.getFailure().getMessage(), "second run failed");
    HistoryEvent third = s.closing(s.id, failed.getNewExecutionRunId());
    completed = third.getWorkflowExecutionCompletedEventAttributes();
    equal("result of the third run", decode(completed.getResult(), Integer.class), 101);
    long time = milliseconds(third.getEventTime()) - milliseconds(first.getEventTime());
    within("time for two runs", time, 1000, 15_000);

    // The next run follows in the same instant in which one ends, so there always is one to
    // terminate. Nothing else would stop the clock.
    s.existing(s.id).terminate("stop the clock");
    equal("status", s.status(s.existing(s.id)), WORKFLOW_EXECUTION_STATUS_TERMINATED);
  }

  private static void startDelay(Stage s) throws Exception {
    long delay = 1200;
    WorkflowStub run =
        s.start(o -> o.setStartDelay(Duration.ofMillis(delay)), CountDown.class, 0, 0);
    WorkflowExecutionDescription info = run.describe();
    equal("status", info.getStatus(), WORKFLOW_EXECUTION_STATUS_RUNNING);
    long promised = Duration.between(info.getStartTime(), info.getExecutionTime()).toMillis();
    within("execution time after start time", promised, delay, delay + 1000);
    s.result(run, Integer.class);
    HistoryEvent task =
        Check.only(s.history(s.id), EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED).get(0);
    long kept = milliseconds(task.getEventTime()) - info.getStartTime().toEpochMilli();
    within("first task after start", kept, delay, delay + 2000);
  }

  private static void startDelayCut(Stage s) throws Exception {
    WorkflowStub run = s.start(o -> o.setStartDelay(Duration.ofHours(1)), Collect.class, 2);
    run.signal("number", 1); // a plain signal waits with the workflow
    s.prepare(o -> o, Collect.class)
        .signalWithStart("number", new Object[] {2}, new Object[] {2});
    equal("numbers", Arrays.toString(s.result(run, int[].class)), "[1, 2]");
  }
}
