package steadfast;

import static steadfast.Check.equal;
import static steadfast.Check.that;

import com.google.protobuf.ByteString;
import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.TaskQueueKind;
import io.temporal.api.history.v1.History;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryRequest;
import io.temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryResponse;
import io.temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryReverseRequest;
import io.temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryReverseResponse;
import io.temporal.client.WorkflowStub;
import io.temporal.common.WorkflowExecutionHistory;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.testing.ReplayResults;
import io.temporal.testing.WorkflowReplayer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import steadfast.Workflows.Errands;
import steadfast.Workflows.LongStory;

/** Long histories, workers without a cache, and replay. */
final class HistoryScenarios {
  private HistoryScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("history of some hundred events, in pages", HistoryScenarios::longHistory),
          new Scenario("tasks of a cached workflow are sticky", HistoryScenarios::sticky));

  /**
   * For a worker that forgets every workflow between tasks. This SDK asks for sticky tasks all the
   * same: it gets the end of the history with the task and has to ask for the whole.
   */
  static final List<Scenario> WITHOUT_CACHE =
      List.of(
          new Scenario("without cache: a bit of everything", HistoryScenarios::runErrands),
          new Scenario(
              "without cache: history of some hundred events", HistoryScenarios::longHistory),
          new Scenario(
              "without cache: query of a running workflow", MessageScenarios::queryRunning),
          new Scenario("without cache: query of a closed workflow", MessageScenarios::queryClosed),
          new Scenario("without cache: child completes", ChildScenarios::completes),
          new Scenario("without cache: continue as new", RunScenarios::continueAsNew));

  static final Scenario REPLAY =
      new Scenario("replay of all histories", HistoryScenarios::replayEverything);

  private static void longHistory(Stage s) throws Exception {
    WorkflowStub run = s.start(LongStory.class, 7);
    equal("activities done", s.result(run, Integer.class), 140);
    WorkflowServiceStubs service = s.client.getWorkflowServiceStubs();
    String namespace = s.client.getOptions().getNamespace();
    WorkflowExecution execution = WorkflowExecution.newBuilder().setWorkflowId(s.id).build();

    // Page by page, forwards: every event once and in order.
    List<Long> forwards = new ArrayList<>();
    int pages = 0;
    ByteString token = ByteString.EMPTY;
    do {
      GetWorkflowExecutionHistoryResponse page =
          service
              .blockingStub()
              .getWorkflowExecutionHistory(
                  GetWorkflowExecutionHistoryRequest.newBuilder()
                      .setNamespace(namespace)
                      .setExecution(execution)
                      .setMaximumPageSize(50)
                      .setNextPageToken(token)
                      .build());
      page.getHistory().getEventsList().forEach(event -> forwards.add(event.getEventId()));
      token = page.getNextPageToken();
      pages++;
    } while (!token.isEmpty());
    for (int i = 0; i < forwards.size(); i++) equal("event id", forwards.get(i), i + 1L);
    // How large pages get is the server's choice: it may round up to whole transactions.
    that(
        forwards.size() >= 420 && pages >= 2,
        "only " + forwards.size() + " events on " + pages + " pages");

    // And backwards.
    List<Long> backwards = new ArrayList<>();
    do {
      GetWorkflowExecutionHistoryReverseResponse page =
          service
              .blockingStub()
              .getWorkflowExecutionHistoryReverse(
                  GetWorkflowExecutionHistoryReverseRequest.newBuilder()
                      .setNamespace(namespace)
                      .setExecution(execution)
                      .setMaximumPageSize(50)
                      .setNextPageToken(token)
                      .build());
      page.getHistory().getEventsList().forEach(event -> backwards.add(event.getEventId()));
      token = page.getNextPageToken();
    } while (!token.isEmpty());
    Collections.reverse(backwards);
    equal("events read backwards", backwards, forwards);
  }

  /**
   * Plays the errands workflow and returns the kinds of task queue its tasks were scheduled on.
   */
  private static List<TaskQueueKind> runErrands(Stage s) throws Exception {
    WorkflowStub run = s.start(Errands.class);
    run.signal("word", "bread");
    equal("result", s.result(run, String.class), "2 1 bread");
    return Check.only(s.history(s.id), EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED).stream()
        .map(event -> event.getWorkflowTaskScheduledEventAttributes().getTaskQueue().getKind())
        .toList();
  }

  private static void sticky(Stage s) throws Exception {
    List<TaskQueueKind> kinds = runErrands(s);
    equal("kind for the first task", kinds.get(0), TaskQueueKind.TASK_QUEUE_KIND_NORMAL);
    that(kinds.contains(TaskQueueKind.TASK_QUEUE_KIND_STICKY), "no sticky task");
  }

  /**
   * Feeds the histories of all runs of this program, children and successors included, to the same
   * code again.
   */
  private static void replayEverything(Stage s) throws Exception {
    String mine = "WorkflowId STARTS_WITH '" + s.theater.name + "'";
    Check.eventually(
        "no workflow left running",
        () -> s.count(mine + " AND ExecutionStatus = 'Running'") == 0);

    List<WorkflowExecutionHistory> histories =
        s.client
            .listExecutions(mine)
            .map(run -> run.getExecution())
            .filter(run -> ran(s.history(run.getWorkflowId(), run.getRunId())))
            .map(run -> replayable(s, run))
            .toList();
    that(histories.size() >= 80, "only " + histories.size() + " histories to replay");
    ReplayResults results =
        WorkflowReplayer.replayWorkflowExecutions(histories, false, Workflows.ALL);
    for (ReplayResults.ReplayError error : results.allErrors()) {
      throw new AssertionError("replay of " + error.workflowId + ": " + error.exception);
    }
  }

  /**
   * The replayer refuses an end that did not come from the workflow's code, so a run that was
   * terminated or timed out is replayed up to there.
   */
  private static WorkflowExecutionHistory replayable(Stage s, WorkflowExecution run) {
    List<HistoryEvent> events = s.history(run.getWorkflowId(), run.getRunId());
    int last = events.size() - 1;
    boolean fromOutside =
        switch (events.get(last).getEventType()) {
          case EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
              EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT ->
              true;
          default -> false;
        };
    List<HistoryEvent> told = fromOutside ? events.subList(0, last) : events;
    return new WorkflowExecutionHistory(
        History.newBuilder().addAllEvents(told).build(), run.getWorkflowId());
  }

  /** Some runs end before their code gets to run: nothing to replay. */
  private static boolean ran(List<HistoryEvent> events) {
    return Check.count(events, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) > 0;
  }
}
