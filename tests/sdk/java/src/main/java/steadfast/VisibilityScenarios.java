package steadfast;

import static steadfast.Check.equal;
import static steadfast.Check.eventually;

import io.temporal.api.enums.v1.IndexedValueType;
import io.temporal.api.operatorservice.v1.AddSearchAttributesRequest;
import io.temporal.api.operatorservice.v1.ListSearchAttributesRequest;
import io.temporal.api.workflowservice.v1.ListWorkflowExecutionsRequest;
import io.temporal.api.workflowservice.v1.ListWorkflowExecutionsResponse;
import io.temporal.client.WorkflowExecutionMetadata;
import io.temporal.client.WorkflowStub;
import io.temporal.common.SearchAttributeKey;
import io.temporal.common.SearchAttributes;
import io.temporal.failure.ApplicationFailure;
import io.temporal.serviceclient.OperatorServiceStubs;
import io.temporal.serviceclient.OperatorServiceStubsOptions;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import steadfast.Workflows.Annotate;
import steadfast.Workflows.CountDown;
import steadfast.Workflows.FailForever;

/** Memos, search attributes, and finding workflows by them. */
final class VisibilityScenarios {
  private VisibilityScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("memo, changed by the workflow", VisibilityScenarios::memo),
          new Scenario("search attributes, list and count", VisibilityScenarios::attributes),
          new Scenario("list by status, type and time", VisibilityScenarios::systemAttributes),
          new Scenario("list in pages", VisibilityScenarios::pages));

  private static void memo(Stage s) throws Exception {
    Map<String, Object> given = Map.of("color", "red", "shape", "round", "weight", 1.5);
    WorkflowStub run = s.start(o -> o.setMemo(given), Annotate.class);
    s.finish(run);
    equal("memo described", memoOf(run.describe()), "green null 3 1.5");
    eventually(
        "the new memo in the list",
        () -> {
          Optional<WorkflowExecutionMetadata> listed =
              s.client.listExecutions("WorkflowId = '" + s.id + "'").findFirst();
          return listed.isPresent() && memoOf(listed.get()).equals("green null 3 1.5");
        });
  }

  private static String memoOf(WorkflowExecutionMetadata info) {
    return info.getMemo("color", String.class)
        + " "
        + info.getMemo("shape", String.class)
        + " "
        + info.getMemo("size", Integer.class)
        + " "
        + info.getMemo("weight", Double.class);
  }

  private static void attributes(Stage s) throws Exception {
    register(s);
    OffsetDateTime noon = OffsetDateTime.parse("2024-05-06T12:00:00Z");
    SearchAttributes given =
        SearchAttributes.newBuilder()
            .set(Workflows.KEYWORD, s.id)
            .set(Workflows.TEXT, "The quick brown fox")
            .set(Workflows.INTEGER, 41L)
            .set(Workflows.DOUBLE, 2.5)
            .set(Workflows.BOOLEAN, true)
            .set(Workflows.DATETIME, noon)
            .set(Workflows.KEYWORDS, List.of("green"))
            .build();
    WorkflowStub run = s.start(o -> o.setTypedSearchAttributes(given), Annotate.class);
    s.finish(run);

    SearchAttributes found = run.describe().getTypedSearchAttributes();
    equal("integer", found.get(Workflows.INTEGER), 42L);
    equal("boolean", found.get(Workflows.BOOLEAN), null);
    equal("datetime", found.get(Workflows.DATETIME).toInstant(), noon.toInstant());
    equal("keywords", found.get(Workflows.KEYWORDS), List.of("red", "blue"));

    // Visibility follows; once it has the last change, every filter must agree.
    String mine = "SdkKeyword = '" + s.id + "' AND ";
    eventually(
        "the workflow with its last attributes",
        () -> s.count(mine + "SdkInt = 42 AND ExecutionStatus = 'Completed'") == 1);
    for (String filter :
        List.of(
            "SdkText = 'QUICK'",
            "SdkInt > 41 AND SdkInt <= 42",
            "SdkInt BETWEEN 40 AND 50",
            "SdkInt IN (1, 42)",
            "SdkDouble >= 2.5",
            "SdkBool IS NULL",
            "SdkDatetime > '2024-05-06T11:59:59Z'",
            "SdkKeywordList = 'red'",
            "SdkKeywordList IN ('blue', 'black')",
            "SdkKeyword STARTS_WITH 'java-'",
            "SdkKeyword != 'other'",
            "(SdkInt = 1 OR SdkInt = 42) AND NOT SdkInt = 2")) {
      equal("number found by " + filter, s.count(mine + filter), 1L);
    }
    for (String filter :
        List.of(
            "SdkText = 'slow'",
            "SdkInt = 41",
            "SdkDouble < 2.5",
            "SdkBool = true",
            "SdkDatetime < '2024-05-06T13:00:00+02:00'",
            "SdkKeywordList = 'green'")) {
      equal("number found by " + filter, s.count(mine + filter), 0L);
    }
  }

  /** Makes the custom attributes known. Others may have done so before: that is no error. */
  private static void register(Stage s) throws Exception {
    Map<String, IndexedValueType> types = new HashMap<>();
    for (SearchAttributeKey<?> key :
        List.of(
            Workflows.KEYWORD,
            Workflows.TEXT,
            Workflows.INTEGER,
            Workflows.DOUBLE,
            Workflows.BOOLEAN,
            Workflows.DATETIME,
            Workflows.KEYWORDS)) {
      types.put(key.getName(), key.getValueType());
    }
    OperatorServiceStubs operator =
        OperatorServiceStubs.newServiceStubs(
            OperatorServiceStubsOptions.newBuilder()
                .setChannel(s.client.getWorkflowServiceStubs().getRawChannel())
                .validateAndBuildWithDefaults());
    String namespace = s.client.getOptions().getNamespace();
    operator
        .blockingStub()
        .addSearchAttributes(
            AddSearchAttributesRequest.newBuilder()
                .setNamespace(namespace)
                .putAllSearchAttributes(types)
                .build());
    eventually(
        "all attributes listed",
        () ->
            operator
                .blockingStub()
                .listSearchAttributes(
                    ListSearchAttributesRequest.newBuilder().setNamespace(namespace).build())
                .getCustomAttributesMap()
                .entrySet()
                .containsAll(types.entrySet()));
  }

  private static void systemAttributes(Stage s) throws Exception {
    Instant before = Instant.now().minusSeconds(60);
    complete(s, 3);
    WorkflowStub failing = s.start(o -> o.setWorkflowId(s.id + "-failing"), FailForever.class);
    s.failure(failing, ApplicationFailure.class);

    String mine = "WorkflowId STARTS_WITH '" + s.id + "'";
    String and = mine + " AND ";
    eventually(
        "three completed workflows and a failed one",
        () ->
            s.count(and + "ExecutionStatus = 'Completed'") == 3
                && s.count(and + "ExecutionStatus = 'Failed'") == 1);
    equal("number by type", s.count(and + "WorkflowType = 'CountDown'"), 3L);
    equal("number by task queue", s.count(and + "TaskQueue = '" + s.taskQueue + "'"), 4L);
    equal("number by start time", s.count(and + "StartTime > '" + before + "'"), 4L);
    equal("number started long ago", s.count(and + "StartTime < '" + before + "'"), 0L);
    equal("number still open", s.count(and + "CloseTime IS NULL"), 0L);
    int groups = s.client.countWorkflows(mine + " GROUP BY ExecutionStatus").getGroups().size();
    equal("number of groups", groups, 2);
  }

  private static void complete(Stage s, int workflows) throws Exception {
    for (int i = 0; i < workflows; i++) {
      String id = s.id + "-" + i;
      s.result(s.start(o -> o.setWorkflowId(id), CountDown.class, 0, i), Integer.class);
    }
  }

  private static void pages(Stage s) throws Exception {
    complete(s, 7);
    String query = "WorkflowId STARTS_WITH '" + s.id + "' AND ExecutionStatus = 'Completed'";
    eventually("all workflows in visibility", () -> s.count(query) == 7);

    Set<String> seen = new HashSet<>();
    ListWorkflowExecutionsRequest.Builder request =
        ListWorkflowExecutionsRequest.newBuilder()
            .setNamespace(s.client.getOptions().getNamespace())
            .setPageSize(3)
            .setQuery(query);
    do {
      ListWorkflowExecutionsResponse page =
          s.client
              .getWorkflowServiceStubs()
              .blockingStub()
              .listWorkflowExecutions(request.build());
      Check.that(page.getExecutionsCount() <= 3, "a page of " + page.getExecutionsCount());
      page.getExecutionsList().forEach(info -> seen.add(info.getExecution().getWorkflowId()));
      request.setNextPageToken(page.getNextPageToken());
    } while (!request.getNextPageToken().isEmpty());
    equal("workflows seen", seen.size(), 7);
  }
}
