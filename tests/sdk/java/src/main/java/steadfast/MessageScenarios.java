package steadfast;

import static steadfast.Check.equal;
import static steadfast.Check.failure;
import static steadfast.Check.that;

import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.QueryRejectCondition;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.client.WorkflowQueryConditionallyRejectedException;
import io.temporal.client.WorkflowQueryException;
import io.temporal.client.WorkflowStub;
import io.temporal.worker.WorkerFactory;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import steadfast.Workflows.Collect;

/** Signals and queries. */
final class MessageScenarios {
  private MessageScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("signals arrive in order", MessageScenarios::inOrder),
          new Scenario("signals before the first task", MessageScenarios::beforeFirstTask),
          new Scenario("signal-with-start starts once", MessageScenarios::signalWithStart),
          new Scenario("signal to a closed or unknown workflow", MessageScenarios::nobody),
          new Scenario(
              "query of a running workflow sees every earlier signal",
              MessageScenarios::queryRunning),
          new Scenario("query of a closed workflow", MessageScenarios::queryClosed),
          new Scenario("query that fails", MessageScenarios::queryFails),
          new Scenario("query rejected by status", MessageScenarios::queryRejected));

  static void numbers(Stage s, WorkflowStub run, int... want) throws Exception {
    equal("numbers", Arrays.toString(s.result(run, int[].class)), Arrays.toString(want));
  }

  static String ask(WorkflowStub run, int least) {
    return Arrays.toString(run.query("soFar", int[].class, least));
  }

  private static void inOrder(Stage s) throws Exception {
    WorkflowStub run = s.start(Collect.class, 20);
    int[] sent = IntStream.range(0, 20).toArray();
    for (int n : sent) run.signal("number", n);
    numbers(s, run, sent);
  }

  private static void beforeFirstTask(Stage s) throws Exception {
    String queue = s.taskQueue + "-opens-late";
    WorkflowStub run = s.start(o -> o.setTaskQueue(queue), Collect.class, 3);
    for (int n = 0; n < 3; n++) run.signal("number", n);
    WorkerFactory late = s.theater.startWorker(queue, Theater.CACHE);
    numbers(s, run, 0, 1, 2);
    late.shutdown();
  }

  private static WorkflowStub signalWithStart(Stage s, int n) {
    WorkflowStub run = s.prepare(o -> o, Collect.class);
    run.signalWithStart("number", new Object[] {n}, new Object[] {2});
    return run;
  }

  private static void signalWithStart(Stage s) throws Exception {
    WorkflowStub first = signalWithStart(s, 1);
    WorkflowStub second = signalWithStart(s, 2);
    equal("run of the second signal", s.runId(second), s.runId(first));
    numbers(s, first, 1, 2);

    // The signal stands in history before the first task, so no task ever runs without it.
    EventType event = s.history(s.id, s.runId(first)).get(1).getEventType();
    equal("second event", event, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED);

    // Once the workflow is closed the same call starts another.
    WorkflowStub third = signalWithStart(s, 3);
    that(!s.runId(third).equals(s.runId(first)), "signal-with-start found the closed run");
    signalWithStart(s, 4);
    numbers(s, third, 3, 4);
  }

  private static void nobody(Stage s) throws Exception {
    WorkflowStub run = s.start(Collect.class, 0);
    s.result(run, int[].class);
    for (WorkflowStub target : List.of(run, s.existing(s.id + "-nobody"))) {
      failure(
          WorkflowNotFoundException.class,
          () -> {
            target.signal("number", 1);
            return null;
          });
    }
  }

  static void queryRunning(Stage s) throws Exception {
    int count = 10;
    WorkflowStub run = s.start(Collect.class, count);
    for (int n = 0; n < count - 1; n++) {
      run.signal("number", n);
      // A query is answered after all that was accepted before it.
      int seen = run.query("soFar", int[].class, 0).length;
      equal("numbers seen by the query", seen, n + 1);
    }
    equal("large numbers", ask(run, 7), "[7, 8]");
    run.signal("number", 9);
    equal("numbers", s.result(run, int[].class).length, count);
  }

  static void queryClosed(Stage s) throws Exception {
    WorkflowStub run = s.start(Collect.class, 2);
    run.signal("number", 1);
    run.signal("number", 2);
    numbers(s, run, 1, 2);
    equal("large numbers", ask(run, 2), "[2]");
  }

  private static void queryFails(Stage s) throws Exception {
    WorkflowStub run = s.start(Collect.class, 1);
    failsWith("asked for trouble", () -> run.query("trouble", Integer.class));
    failsWith("riddle", () -> run.query("riddle", Integer.class));
    WorkflowStub nobody = s.existing(s.id + "-nobody");
    failure(WorkflowNotFoundException.class, () -> ask(nobody, 0));

    // Failing queries leave the workflow as it was.
    run.signal("number", 5);
    numbers(s, run, 5);
  }

  private static void failsWith(String words, Callable<?> query) {
    String message = String.valueOf(failure(WorkflowQueryException.class, query).getCause());
    that(message.contains(words), "\"" + words + "\" is missing in " + message);
  }

  private static void queryRejected(Stage s) throws Exception {
    s.result(s.start(Collect.class, 0), int[].class);
    WorkflowClient picky =
        WorkflowClient.newInstance(
            s.client.getWorkflowServiceStubs(),
            WorkflowClientOptions.newBuilder(s.client.getOptions())
                .setQueryRejectCondition(QueryRejectCondition.QUERY_REJECT_CONDITION_NOT_OPEN)
                .build());
    WorkflowQueryConditionallyRejectedException rejected =
        failure(
            WorkflowQueryConditionallyRejectedException.class,
            () -> ask(picky.newUntypedWorkflowStub(s.id), 0));
    equal(
        "status of the rejection",
        rejected.getWorkflowExecutionStatus(),
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED);
  }
}
