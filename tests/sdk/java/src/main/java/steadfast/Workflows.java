package steadfast;

import io.temporal.activity.ActivityCancellationType;
import io.temporal.activity.ActivityOptions;
import io.temporal.activity.LocalActivityOptions;
import io.temporal.api.enums.v1.ParentClosePolicy;
import io.temporal.common.RetryOptions;
import io.temporal.common.SearchAttributeKey;
import io.temporal.failure.ActivityFailure;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.workflow.ActivityStub;
import io.temporal.workflow.CancelExternalWorkflowException;
import io.temporal.workflow.CancellationScope;
import io.temporal.workflow.ChildWorkflowCancellationType;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.ChildWorkflowStub;
import io.temporal.workflow.Promise;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInfo;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The workflows the worker offers: always an interface, and right below it what it does. */
public final class Workflows {
  private Workflows() {}

  static final Class<?>[] ALL = {
    OneActivityImpl.class,
    CancelActivityImpl.class,
    LocalActivityImpl.class,
    SleepImpl.class,
    SleepInParallelImpl.class,
    CancelTimerImpl.class,
    CollectImpl.class,
    ChildImpl.class,
    ParentImpl.class,
    CancellingParentImpl.class,
    LeavingParentImpl.class,
    SenderImpl.class,
    CancellerImpl.class,
    CountDownImpl.class,
    CleanUpImpl.class,
    FailBeforeImpl.class,
    FailForeverImpl.class,
    TickImpl.class,
    AnnotateImpl.class,
    LongStoryImpl.class,
    ErrandsImpl.class,
  };

  // --- activities ---

  /** Which activity to run and how. Its public fields are what travels to the workflow. */
  public static final class Call {
    public String activity;
    public int arg;
    public String taskQueue;
    public Duration scheduleToClose;
    public Duration scheduleToStart;
    public Duration startToClose;
    public Duration heartbeat;
    public Duration retryInterval = Duration.ofMillis(50);
    public double retryCoefficient = 2;
    public int attempts;
    public String nonRetryable = "";

    static Call of(String activity, int arg) {
      Call call = new Call();
      call.activity = activity;
      call.arg = arg;
      return call;
    }

    ActivityOptions options() {
      return ActivityOptions.newBuilder()
          .setTaskQueue(taskQueue)
          .setScheduleToCloseTimeout(scheduleToClose)
          .setScheduleToStartTimeout(scheduleToStart)
          .setStartToCloseTimeout(startToClose)
          .setHeartbeatTimeout(heartbeat)
          .setCancellationType(ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)
          .setRetryOptions(
              RetryOptions.newBuilder()
                  .setInitialInterval(retryInterval)
                  .setBackoffCoefficient(retryCoefficient)
                  .setMaximumAttempts(attempts)
                  .setDoNotRetry(nonRetryable)
                  .build())
          .build();
    }

    // Activity types are the method names with a capital.
    String type() {
      return activity.substring(0, 1).toUpperCase() + activity.substring(1);
    }
  }

  @WorkflowInterface
  public interface OneActivity {
    @WorkflowMethod
    Integer run(Call call);
  }

  /** Runs a single activity and ends the way the activity does. */
  public static final class OneActivityImpl implements OneActivity {
    @Override
    public Integer run(Call call) {
      ActivityStub activity = Workflow.newUntypedActivityStub(call.options());
      return activity.execute(call.type(), Integer.class, call.arg);
    }
  }

  @WorkflowInterface
  public interface CancelActivity {
    @WorkflowMethod
    String run(Call call);

    @SignalMethod
    void cancel();
  }

  /** Lets an activity run until it is signalled, cancels it and returns what it says to that. */
  public static final class CancelActivityImpl implements CancelActivity {
    private Promise<Integer> running;
    private boolean asked;

    @Override
    public String run(Call call) {
      ActivityStub activity = Workflow.newUntypedActivityStub(call.options());
      CancellationScope scope =
          Workflow.newCancellationScope(
              () -> running = activity.executeAsync(call.type(), Integer.class, call.arg));
      scope.run();
      Workflow.await(() -> asked);
      scope.cancel();
      try {
        running.get();
        return "not cancelled";
      } catch (ActivityFailure failure) {
        if (!(failure.getCause() instanceof CanceledFailure canceled)) throw failure;
        return canceled.getDetails().getSize() == 0
            ? "cancelled"
            : canceled.getDetails().get(0, String.class);
      }
    }

    @Override
    public void cancel() {
      asked = true;
    }
  }

  @WorkflowInterface
  public interface LocalActivity {
    @WorkflowMethod
    int run(int length);
  }

  /** Lets local activities sleep, if told so, and fail until the third attempt. */
  public static final class LocalActivityImpl implements LocalActivity {
    @Override
    public int run(int length) {
      Activities local =
          Workflow.newLocalActivityStub(
              Activities.class,
              LocalActivityOptions.newBuilder()
                  .setStartToCloseTimeout(Duration.ofSeconds(30))
                  .setRetryOptions(
                      RetryOptions.newBuilder()
                          .setInitialInterval(Duration.ofMillis(10))
                          .setMaximumAttempts(5) // without any limit there would be no retry
                          .build())
                  .build());
      if (length > 0) local.oversleep(length);
      return local.succeedAt(3);
    }
  }

  // --- timers ---

  @WorkflowInterface
  public interface Sleep {
    @WorkflowMethod
    void run(long milliseconds);
  }

  public static final class SleepImpl implements Sleep {
    @Override
    public void run(long milliseconds) {
      Workflow.sleep(milliseconds);
    }
  }

  @WorkflowInterface
  public interface SleepInParallel {
    @WorkflowMethod
    int[] run(int[] lengths);
  }

  /** Starts timers of all lengths at once; returns the lengths in the order of waking up. */
  public static final class SleepInParallelImpl implements SleepInParallel {
    @Override
    public int[] run(int[] lengths) {
      List<Integer> woken = new ArrayList<>();
      List<Promise<Boolean>> timers = new ArrayList<>();
      for (int length : lengths) {
        Promise<Void> timer = Workflow.newTimer(Duration.ofMillis(length));
        timers.add(timer.thenApply(fired -> woken.add(length)));
      }
      Promise.allOf(timers).get();
      return woken.stream().mapToInt(length -> length).toArray();
    }
  }

  @WorkflowInterface
  public interface CancelTimer {
    @WorkflowMethod
    boolean run();
  }

  /** Gives up on a long timer as soon as a short one has fired. */
  public static final class CancelTimerImpl implements CancelTimer {
    private Promise<Void> timer;

    @Override
    public boolean run() {
      CancellationScope scope =
          Workflow.newCancellationScope(() -> timer = Workflow.newTimer(Duration.ofHours(1)));
      scope.run();
      Workflow.sleep(100);
      scope.cancel();
      return timer.getFailure() instanceof CanceledFailure;
    }
  }

  // --- signals and queries ---

  @WorkflowInterface
  public interface Collect {
    @WorkflowMethod
    int[] run(int wanted);

    @SignalMethod
    void number(int n);

    @QueryMethod
    int[] soFar(int least);

    @QueryMethod
    int trouble();
  }

  /**
   * Returns the first so many numbers signalled to it, answers queries for what it has so far, and
   * fails the query "trouble".
   */
  public static final class CollectImpl implements Collect {
    private final List<Integer> numbers = new ArrayList<>();

    @Override
    public int[] run(int wanted) {
      Workflow.await(() -> numbers.size() >= wanted);
      return soFar(Integer.MIN_VALUE);
    }

    @Override
    public void number(int n) {
      numbers.add(n);
    }

    @Override
    public int[] soFar(int least) {
      return numbers.stream().mapToInt(n -> n).filter(n -> n >= least).toArray();
    }

    @Override
    public int trouble() {
      throw new IllegalStateException("asked for trouble");
    }
  }

  // --- children, and workflows that reach out to others ---

  /** How a parent starts its child and what the child shall do. */
  public record Birth(String id, String behavior, int attempts, ParentClosePolicy policy) {
    static Birth of(String id, String behavior) {
      return new Birth(id, behavior, 1, ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE);
    }

    ChildWorkflowStub stub() {
      return Workflow.newUntypedChildWorkflowStub(
          Child.class.getSimpleName(),
          ChildWorkflowOptions.newBuilder()
              .setWorkflowId(id)
              .setParentClosePolicy(policy)
              .setCancellationType(ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED)
              .setRetryOptions(
                  RetryOptions.newBuilder()
                      .setInitialInterval(Duration.ofMillis(50))
                      .setMaximumAttempts(attempts)
                      .build())
              .build());
    }
  }

  /** What a child knows of its parent. */
  public record Family(int attempt, String parentId, String parentRun) {}

  @WorkflowInterface
  public interface Child {
    @WorkflowMethod
    Family run(String behavior);

    @SignalMethod
    void goOn();
  }

  /** Behaves as told. Some scenarios run it without a parent. */
  public static final class ChildImpl implements Child {
    private boolean released;

    @Override
    public Family run(String behavior) {
      WorkflowInfo info = Workflow.getInfo();
      switch (behavior) {
        case "fail" ->
            throw ApplicationFailure.newNonRetryableFailure("naughty child", "Naughty");
        case "fail once" -> {
          if (info.getAttempt() == 1) {
            throw ApplicationFailure.newFailure("first attempt", "First");
          }
        }
        case "continue" -> Workflow.continueAsNew("complete");
        case "wait" -> Workflow.await(() -> released); // for a signal, or until cancelled
        default -> {}
      }
      return new Family(
          info.getAttempt(),
          info.getParentWorkflowId().orElse(null),
          info.getParentRunId().orElse(null));
    }

    @Override
    public void goOn() {
      released = true;
    }
  }

  @WorkflowInterface
  public interface Parent {
    @WorkflowMethod
    Family run(Birth birth);
  }

  public static final class ParentImpl implements Parent {
    @Override
    public Family run(Birth birth) {
      return birth.stub().execute(Family.class, birth.behavior());
    }
  }

  @WorkflowInterface
  public interface CancellingParent {
    @WorkflowMethod
    Family run(Birth birth);
  }

  /** Cancels its child as soon as it runs, and ends the way the child does. */
  public static final class CancellingParentImpl implements CancellingParent {
    private Promise<Family> running;

    @Override
    public Family run(Birth birth) {
      ChildWorkflowStub child = birth.stub();
      CancellationScope scope =
          Workflow.newCancellationScope(
              () -> running = child.executeAsync(Family.class, birth.behavior()));
      scope.run();
      child.getExecution().get();
      scope.cancel();
      return running.get();
    }
  }

  @WorkflowInterface
  public interface LeavingParent {
    @WorkflowMethod
    void run(Birth[] births);
  }

  /** Returns as soon as all its children run. */
  public static final class LeavingParentImpl implements LeavingParent {
    @Override
    public void run(Birth[] births) {
      for (Birth birth : births) {
        ChildWorkflowStub child = birth.stub();
        child.executeAsync(Family.class, birth.behavior());
        child.getExecution().get();
      }
    }
  }

  @WorkflowInterface
  public interface Sender {
    @WorkflowMethod
    void run(String target);
  }

  public static final class SenderImpl implements Sender {
    @Override
    public void run(String target) {
      Workflow.newUntypedExternalWorkflowStub(target).signal("goOn");
    }
  }

  @WorkflowInterface
  public interface Canceller {
    @WorkflowMethod
    void run(String target);
  }

  public static final class CancellerImpl implements Canceller {
    @Override
    public void run(String target) {
      try {
        Workflow.newUntypedExternalWorkflowStub(target).cancel();
      } catch (CancelExternalWorkflowException e) {
        // By itself this exception would fail the task, again and again, and not the workflow.
        throw ApplicationFailure.newFailureWithCause("not cancelled", "NOT_FOUND", e);
      }
    }
  }

  // --- runs ---

  @WorkflowInterface
  public interface CountDown {
    @WorkflowMethod
    int run(int left, int done);
  }

  /**
   * One run for every number down to zero. Returns how often it was continued, which it knows from
   * what it hands on.
   */
  public static final class CountDownImpl implements CountDown {
    @Override
    public int run(int left, int done) {
      if (left > 0) Workflow.continueAsNew(left - 1, done + 1);
      return done;
    }
  }

  @WorkflowInterface
  public interface CleanUp {
    @WorkflowMethod
    void run();
  }

  /** Waits to be cancelled, and does a last thing when it is. */
  public static final class CleanUpImpl implements CleanUp {
    @Override
    public void run() {
      Activities activities = simpleActivities();
      try {
        Workflow.sleep(Duration.ofHours(1));
      } finally {
        Workflow.newDetachedCancellationScope(() -> activities.succeedAt(1)).run();
      }
    }
  }

  @WorkflowInterface
  public interface FailBefore {
    @WorkflowMethod
    int run(int wanted);
  }

  /** Fails in attempts before the wanted one. */
  public static final class FailBeforeImpl implements FailBefore {
    @Override
    public int run(int wanted) {
      int attempt = Workflow.getInfo().getAttempt();
      if (attempt < wanted) {
        throw ApplicationFailure.newFailure("attempt " + attempt + " failed", "TooEarly");
      }
      return attempt;
    }
  }

  @WorkflowInterface
  public interface FailForever {
    @WorkflowMethod
    void run();
  }

  public static final class FailForeverImpl implements FailForever {
    @Override
    public void run() {
      throw ApplicationFailure.newNonRetryableFailure("no use trying", "Hopeless");
    }
  }

  @WorkflowInterface
  public interface Tick {
    @WorkflowMethod
    int run();
  }

  /**
   * Is run by cron. It counts its runs; the second fails, and the third still knows the result of
   * the first.
   */
  public static final class TickImpl implements Tick {
    @Override
    public int run() {
      Integer last = Workflow.getLastCompletionResult(Integer.class);
      int count = last == null ? 0 : last;
      if (Workflow.getPreviousRunFailure().isPresent()) return 100 + count;
      if (count == 1) throw ApplicationFailure.newFailure("second run failed", "Second");
      return count + 1;
    }
  }

  // --- memo and search attributes ---

  // One custom search attribute of every type.
  static final SearchAttributeKey<String> KEYWORD = SearchAttributeKey.forKeyword("SdkKeyword");
  static final SearchAttributeKey<String> TEXT = SearchAttributeKey.forText("SdkText");
  static final SearchAttributeKey<Long> INTEGER = SearchAttributeKey.forLong("SdkInt");
  static final SearchAttributeKey<Double> DOUBLE = SearchAttributeKey.forDouble("SdkDouble");
  static final SearchAttributeKey<Boolean> BOOLEAN = SearchAttributeKey.forBoolean("SdkBool");
  static final SearchAttributeKey<OffsetDateTime> DATETIME =
      SearchAttributeKey.forOffsetDateTime("SdkDatetime");
  static final SearchAttributeKey<List<String>> KEYWORDS =
      SearchAttributeKey.forKeywordList("SdkKeywordList");

  @WorkflowInterface
  public interface Annotate {
    @WorkflowMethod
    void run();
  }

  /** Changes the workflow's own memo and search attributes. */
  public static final class AnnotateImpl implements Annotate {
    @Override
    public void run() {
      if (Workflow.getMemo("color", String.class) != null) {
        Map<String, Object> changes = new HashMap<>();
        changes.put("color", "green");
        changes.put("shape", null);
        changes.put("size", 3);
        Workflow.upsertMemo(changes);
      }
      Long n = Workflow.getTypedSearchAttributes().get(INTEGER);
      if (n != null) {
        Workflow.upsertTypedSearchAttributes(
            INTEGER.valueSet(n + 1),
            BOOLEAN.valueUnset(),
            KEYWORDS.valueSet(List.of("red", "blue")));
      }
    }
  }

  // --- long histories ---

  @WorkflowInterface
  public interface LongStory {
    @WorkflowMethod
    int run(int chapters);
  }

  /** Has chapters of twenty activities side by side. */
  public static final class LongStoryImpl implements LongStory {
    @Override
    public int run(int chapters) {
      Call call = Call.of("succeedAt", 1);
      call.startToClose = Duration.ofSeconds(10);
      ActivityStub activity = Workflow.newUntypedActivityStub(call.options());
      int done = 0;
      for (int chapter = 0; chapter < chapters; chapter++) {
        List<Promise<Integer>> running = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
          running.add(activity.executeAsync(call.type(), Integer.class, call.arg));
        }
        Promise.allOf(running).get();
        done += running.size();
      }
      return done;
    }
  }

  @WorkflowInterface
  public interface Errands {
    @WorkflowMethod
    String run();

    @SignalMethod
    void word(String given);
  }

  /** Mixes what keeps a workflow waiting: activity, timer, child, signal. */
  public static final class ErrandsImpl implements Errands {
    private String heard;

    @Override
    public String run() {
      int attempt = simpleActivities().succeedAt(2);
      Workflow.sleep(100);
      String id = Workflow.getInfo().getWorkflowId() + "-child";
      Family offspring = Birth.of(id, "complete").stub().execute(Family.class, "complete");
      Workflow.await(() -> heard != null);
      return attempt + " " + offspring.attempt() + " " + heard;
    }

    @Override
    public void word(String given) {
      heard = given;
    }
  }

  private static Activities simpleActivities() {
    Call call = new Call();
    call.startToClose = Duration.ofSeconds(20);
    return Workflow.newActivityStub(Activities.class, call.options());
  }
}
