package steadfast;

import static steadfast.Check.equal;
import static steadfast.Check.seconds;
import static steadfast.Check.within;

import com.google.protobuf.util.Durations;
import io.temporal.api.enums.v1.PendingActivityState;
import io.temporal.api.workflow.v1.PendingActivityInfo;
import io.temporal.client.ActivityCanceledException;
import io.temporal.client.ActivityCompletionClient;
import io.temporal.client.ActivityCompletionException;
import io.temporal.client.WorkflowStub;
import io.temporal.failure.ApplicationFailure;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import steadfast.Workflows.Call;
import steadfast.Workflows.CancelActivity;
import steadfast.Workflows.OneActivity;

/**
 * Activities that are completed from outside the worker, and what a description of the workflow
 * tells about activities under way.
 */
final class CompletionScenarios {
  private CompletionScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("activity is completed by token", CompletionScenarios::byToken),
          new Scenario("activity is completed by id", CompletionScenarios::byId),
          new Scenario("activity is failed by id", CompletionScenarios::failById),
          new Scenario(
              "activity is heartbeaten and cancelled from outside", CompletionScenarios::cancel),
          new Scenario("description of a running activity", CompletionScenarios::describeRunning),
          new Scenario(
              "description of a retrying activity", CompletionScenarios::describeRetrying));

  private static Call open() {
    Call call = Call.of("leaveOpen", 0);
    call.startToClose = seconds(20);
    call.heartbeat = seconds(10);
    call.attempts = 1;
    return call;
  }

  /** Waits for leaveOpen to hand out its token. */
  private static PendingActivityInfo started(Stage s) throws Exception {
    return s.pending("a task token in the heartbeat", PendingActivityInfo::hasHeartbeatDetails);
  }

  private static byte[] token(PendingActivityInfo info) {
    return Base64.getDecoder().decode(Check.decode(info.getHeartbeatDetails(), String.class));
  }

  private static ActivityCompletionClient outside(Stage s) {
    return s.client.newActivityCompletionClient();
  }

  private static void byToken(Stage s) throws Exception {
    WorkflowStub run = s.start(OneActivity.class, open());
    outside(s).complete(token(started(s)), 7);
    equal("result", s.result(run, Integer.class), 7);
  }

  private static void byId(Stage s) throws Exception {
    WorkflowStub run = s.start(OneActivity.class, open());
    String activityId = started(s).getActivityId();
    outside(s).complete(s.id, Optional.of(s.runId(run)), activityId, 8);
    equal("result", s.result(run, Integer.class), 8);
  }

  private static void failById(Stage s) throws Exception {
    WorkflowStub run = s.start(OneActivity.class, open());
    String activityId = started(s).getActivityId();
    outside(s)
        .completeExceptionally(
            s.id,
            Optional.empty(),
            activityId,
            ApplicationFailure.newFailure("from outside", "Outside"));
    ApplicationFailure failure = s.failure(run, ApplicationFailure.class);
    equal("message", failure.getOriginalMessage(), "from outside");
    equal("type", failure.getType(), "Outside");
  }

  private static void cancel(Stage s) throws Exception {
    WorkflowStub run = s.start(CancelActivity.class, open());
    byte[] token = token(started(s));
    run.signal("cancel");
    // The answer to a heartbeat is how a cancellation travels.
    Check.eventually(
        "a heartbeat answered with a cancellation",
        () -> {
          try {
            outside(s).heartbeat(token, "still here");
            return false;
          } catch (ActivityCompletionException answer) {
            return answer.getCause() instanceof ActivityCanceledException;
          }
        });
    outside(s).reportCancellation(token, "stopped from outside");
    equal("last words", s.result(run, String.class), "stopped from outside");
  }

  private static void describeRunning(Stage s) throws Exception {
    WorkflowStub run = s.start(OneActivity.class, open());
    started(s);
    PendingActivityInfo info =
        s.pending(
            "a started activity",
            i -> i.getState() == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED);
    equal("type", info.getActivityType().getName(), "LeaveOpen");
    equal("attempt", info.getAttempt(), 1);
    equal("maximum attempts", info.getMaximumAttempts(), 1);
    long age = System.currentTimeMillis() - Check.milliseconds(info.getLastHeartbeatTime());
    within("age of the last heartbeat", age, 0, 5000);
    outside(s).complete(s.id, Optional.empty(), info.getActivityId(), 9);
    equal("result", s.result(run, Integer.class), 9);
  }

  private static void describeRetrying(Stage s) throws Exception {
    long hour = 3_600_000;
    Call call = Call.of("succeedAt", 2);
    call.startToClose = seconds(20);
    call.retryInterval = seconds(3600);
    WorkflowStub run = s.start(OneActivity.class, call);
    PendingActivityInfo info =
        s.pending("an activity between attempts", i -> i.getAttempt() == 2);
    equal("state", info.getState(), PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED);
    equal("last failure", info.getLastFailure().getMessage(), "attempt 1 failed");
    within(
        "retry interval", Durations.toMillis(info.getCurrentRetryInterval()), hour, hour + 1000);
    long wait = Check.milliseconds(info.getNextAttemptScheduleTime()) - System.currentTimeMillis();
    within("time to the next attempt", wait, hour - 60_000, hour + 1000);
    run.terminate("seen enough");
  }
}
