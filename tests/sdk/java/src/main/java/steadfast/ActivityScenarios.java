package steadfast;

import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_MARKER_RECORDED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT;
import static steadfast.Check.count;
import static steadfast.Check.equal;
import static steadfast.Check.only;
import static steadfast.Check.seconds;
import static steadfast.Check.that;

import io.temporal.api.enums.v1.RetryState;
import io.temporal.api.enums.v1.TimeoutType;
import io.temporal.api.history.v1.ActivityTaskStartedEventAttributes;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.api.workflow.v1.PendingActivityInfo;
import io.temporal.client.WorkflowStub;
import io.temporal.failure.ActivityFailure;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.TimeoutFailure;
import java.util.List;
import steadfast.Workflows.Call;
import steadfast.Workflows.CancelActivity;
import steadfast.Workflows.LocalActivity;
import steadfast.Workflows.OneActivity;

final class ActivityScenarios {
  private ActivityScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("activity retries until it succeeds", ActivityScenarios::retries),
          new Scenario("activity runs out of attempts", ActivityScenarios::runsOut),
          new Scenario("activity fails non-retryably", ActivityScenarios::failsForGood),
          new Scenario("activity error type listed as non-retryable", ActivityScenarios::listed),
          new Scenario("heartbeat details reach the next attempt", ActivityScenarios::resumes),
          new Scenario("start-to-close timeout", ActivityScenarios::startToClose),
          new Scenario("heartbeat timeout", ActivityScenarios::heartbeatTimeout),
          new Scenario("schedule-to-start timeout", ActivityScenarios::scheduleToStart),
          new Scenario(
              "schedule-to-close timeout ends the retries", ActivityScenarios::scheduleToClose),
          new Scenario(
              "activity learns of its cancellation by heartbeat",
              ActivityScenarios::cancelByHeartbeat),
          new Scenario(
              "activity is cancelled before it starts", ActivityScenarios::cancelBeforeStart),
          new Scenario("local activity retries", ActivityScenarios::localRetries),
          new Scenario(
              "local activity outlives its workflow task", ActivityScenarios::localOutlives));

  private static Call call(String activity, int arg) {
    Call call = Call.of(activity, arg);
    call.startToClose = seconds(20);
    return call;
  }

  private static void retries(Stage s) throws Exception {
    WorkflowStub run = s.start(OneActivity.class, call("succeedAt", 3));
    equal("succeeding attempt", s.result(run, Integer.class), 3);

    // However many attempts there were, history has one start: the last one, which tells why
    // there was a retry.
    List<HistoryEvent> starts = only(s.history(s.id), EVENT_TYPE_ACTIVITY_TASK_STARTED);
    equal("number of start events", starts.size(), 1);
    ActivityTaskStartedEventAttributes last = starts.get(0).getActivityTaskStartedEventAttributes();
    equal("attempt in history", last.getAttempt(), 3);
    equal("last failure in history", last.getLastFailure().getMessage(), "attempt 2 failed");
  }

  private static void runsOut(Stage s) {
    Call call = call("succeedAt", 9);
    call.attempts = 2;
    WorkflowStub run = s.start(OneActivity.class, call);
    equal(
        "retry state",
        s.failure(run, ActivityFailure.class).getRetryState(),
        RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED);
    ApplicationFailure failure = s.failure(run, ApplicationFailure.class);
    equal("message", failure.getOriginalMessage(), "attempt 2 failed");
    equal("type", failure.getType(), "TooEarly");
    equal("details", failure.getDetails().get(0, Integer.class), 2);
  }

  private static void failsForGood(Stage s) {
    failsAtOnce(s, call("failForGood", 0), "no use trying");
  }

  private static void listed(Stage s) {
    Call call = call("succeedAt", 2);
    call.nonRetryable = "TooEarly";
    failsAtOnce(s, call, "attempt 1 failed");
  }

  private static void failsAtOnce(Stage s, Call call, String message) {
    WorkflowStub run = s.start(OneActivity.class, call);
    equal(
        "retry state",
        s.failure(run, ActivityFailure.class).getRetryState(),
        RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE);
    equal("message", s.failure(run, ApplicationFailure.class).getOriginalMessage(), message);
  }

  private static void resumes(Stage s) throws Exception {
    Call call = call("resume", 41);
    call.heartbeat = seconds(3);
    equal("note found", s.result(s.start(OneActivity.class, call), Integer.class), 41);
  }

  private static void startToClose(Stage s) {
    Call call = call("oversleep", 1500);
    call.startToClose = seconds(1);
    call.attempts = 2;
    WorkflowStub run = s.start(OneActivity.class, call);
    equal(
        "retry state",
        s.failure(run, ActivityFailure.class).getRetryState(),
        RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED);
    TimeoutFailure timeout = s.failure(run, TimeoutFailure.class);
    equal("timeout", timeout.getTimeoutType(), TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE);
    // The timeout of the second attempt carries that of the first.
    equal(
        "earlier timeout",
        Check.cause(TimeoutFailure.class, timeout.getCause()).getTimeoutType(),
        TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE);
  }

  private static void heartbeatTimeout(Stage s) {
    Call call = call("beatAndStall", 42);
    call.startToClose = seconds(10);
    call.heartbeat = seconds(1);
    call.attempts = 1;
    TimeoutFailure timeout = s.failure(s.start(OneActivity.class, call), TimeoutFailure.class);
    equal("timeout", timeout.getTimeoutType(), TimeoutType.TIMEOUT_TYPE_HEARTBEAT);
    equal("last heartbeat", timeout.getLastHeartbeatDetails().get(0, Integer.class), 42);
  }

  private static void scheduleToStart(Stage s) {
    Call call = call("oversleep", 0);
    call.taskQueue = s.taskQueue + "-deserted";
    call.scheduleToStart = seconds(1);
    TimeoutFailure timeout = s.failure(s.start(OneActivity.class, call), TimeoutFailure.class);
    equal("timeout", timeout.getTimeoutType(), TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START);
  }

  private static void scheduleToClose(Stage s) {
    Call call = Call.of("succeedAt", 99);
    call.scheduleToClose = seconds(5);
    call.retryInterval = seconds(3);
    call.retryCoefficient = 1;
    WorkflowStub run = s.start(OneActivity.class, call);
    // The failure is the activity's own: a third attempt would come too late, and the server says
    // so right after the second.
    equal(
        "retry state",
        s.failure(run, ActivityFailure.class).getRetryState(),
        RetryState.RETRY_STATE_TIMEOUT);
    String message = s.failure(run, ApplicationFailure.class).getOriginalMessage();
    equal("message", message, "attempt 2 failed");
  }

  private static void cancelByHeartbeat(Stage s) throws Exception {
    Call call = call("beatUntilCancelled", 0);
    call.startToClose = seconds(20);
    // The SDK sends a heartbeat each 0.8 times this; the rest is what a busy machine may be late.
    call.heartbeat = seconds(3);
    WorkflowStub run = s.start(CancelActivity.class, call);
    s.pending("a heartbeat", PendingActivityInfo::hasLastHeartbeatTime);
    run.signal("cancel");
    equal("last words", s.result(run, String.class), "cancelled");
    List<HistoryEvent> events = s.history(s.id);
    equal("cancel requests", count(events, EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED), 1);
    equal("cancellations", count(events, EVENT_TYPE_ACTIVITY_TASK_CANCELED), 1);
  }

  private static void cancelBeforeStart(Stage s) throws Exception {
    Call call = call("oversleep", 0);
    call.taskQueue = s.taskQueue + "-deserted";
    call.startToClose = seconds(20);
    WorkflowStub run = s.start(CancelActivity.class, call);
    s.pending("a scheduled activity", info -> true);
    run.signal("cancel");
    s.finish(run);
    List<HistoryEvent> events = s.history(s.id);
    equal("cancellations", count(events, EVENT_TYPE_ACTIVITY_TASK_CANCELED), 1);
    equal("starts", count(events, EVENT_TYPE_ACTIVITY_TASK_STARTED), 0);
  }

  private static void localRetries(Stage s) throws Exception {
    WorkflowStub run = s.start(LocalActivity.class, 0);
    equal("succeeding attempt", s.result(run, Integer.class), 3);
    List<HistoryEvent> events = s.history(s.id);
    equal("markers", count(events, EVENT_TYPE_MARKER_RECORDED), 1);
    equal("scheduled activities", count(events, EVENT_TYPE_ACTIVITY_TASK_SCHEDULED), 0);
  }

  // A local activity that takes longer than a workflow task may is kept alive by completing the
  // task and asking for a new one at once.
  private static void localOutlives(Stage s) throws Exception {
    WorkflowStub run =
        s.start(o -> o.setWorkflowTaskTimeout(seconds(10)), LocalActivity.class, 9000);
    equal("succeeding attempt", s.result(run, Integer.class), 3);
    List<HistoryEvent> events = s.history(s.id);
    equal("task timeouts", count(events, EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT), 0);
    int tasks = count(events, EVENT_TYPE_WORKFLOW_TASK_COMPLETED);
    that(tasks >= 2, "only " + tasks + " workflow tasks for 9 s of local activity");
  }
}
