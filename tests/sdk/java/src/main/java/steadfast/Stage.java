package steadfast;

import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.api.workflow.v1.PendingActivityInfo;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowOptions;
import io.temporal.client.WorkflowStub;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** Where one scenario plays: a client, names of its own, and frequent steps. */
final class Stage {
  final Theater theater;
  final WorkflowClient client;
  final String taskQueue;

  /** Of the scenario's workflow, and a prefix for further ones. */
  final String id;

  Stage(Theater theater, String taskQueue, String scenario) {
    this.theater = theater;
    this.client = theater.client;
    this.taskQueue = taskQueue;
    this.id = theater.name + "-" + scenario.replaceAll("[^A-Za-z0-9]+", "-");
  }

  /** A workflow not yet started, under the scenario's own id unless told otherwise. */
  WorkflowStub prepare(UnaryOperator<WorkflowOptions.Builder> more, Class<?> workflow) {
    WorkflowOptions.Builder common =
        WorkflowOptions.newBuilder().setWorkflowId(id).setTaskQueue(taskQueue);
    return client.newUntypedWorkflowStub(workflow.getSimpleName(), more.apply(common).build());
  }

  WorkflowStub start(
      UnaryOperator<WorkflowOptions.Builder> more, Class<?> workflow, Object... args) {
    WorkflowStub run = prepare(more, workflow);
    run.start(args);
    return run;
  }

  WorkflowStub start(Class<?> workflow, Object... args) {
    return start(options -> options, workflow, args);
  }

  <T> T result(WorkflowStub run, Class<T> type) throws Exception {
    return run.getResult(Theater.SCENARIO_LIMIT_SECONDS, TimeUnit.SECONDS, type);
  }

  void finish(WorkflowStub run) throws Exception {
    result(run, Void.class);
  }

  /** The failure, of the given class, of a workflow that must not complete. */
  <E extends Throwable> E failure(WorkflowStub run, Class<E> kind) {
    return Check.failure(kind, () -> result(run, Object.class));
  }

  WorkflowStub existing(String workflowId) {
    return client.newUntypedWorkflowStub(workflowId);
  }

  WorkflowStub existing(String workflowId, String runId) {
    return client.newUntypedWorkflowStub(workflowId, Optional.of(runId), Optional.empty());
  }

  String runId(WorkflowStub run) {
    return run.getExecution().getRunId();
  }

  WorkflowExecutionStatus status(WorkflowStub run) {
    return run.describe().getStatus();
  }

  /** The history of the current or latest run. */
  List<HistoryEvent> history(String workflowId) {
    return client.fetchHistory(workflowId).getEvents();
  }

  List<HistoryEvent> history(String workflowId, String runId) {
    return client.fetchHistory(workflowId, runId).getEvents();
  }

  /** Waits until the only activity of the scenario's workflow is as wanted. */
  PendingActivityInfo pending(String what, Predicate<PendingActivityInfo> wanted)
      throws Exception {
    PendingActivityInfo[] found = new PendingActivityInfo[1];
    Check.eventually(
        what,
        () -> {
          var description = existing(id).describe().getRawDescription();
          if (description.getPendingActivitiesCount() != 1) return false;
          found[0] = description.getPendingActivities(0);
          return wanted.test(found[0]);
        });
    return found[0];
  }

  /** Waits for the end of one run, not of its chain, and returns its last event. */
  HistoryEvent closing(String workflowId, String runId) throws Exception {
    Check.eventually(
        "the run is closed",
        () ->
            status(existing(workflowId, runId))
                != WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING);
    List<HistoryEvent> events = history(workflowId, runId);
    return events.get(events.size() - 1);
  }

  long count(String query) {
    return client.countWorkflows(query).getCount();
  }
}
