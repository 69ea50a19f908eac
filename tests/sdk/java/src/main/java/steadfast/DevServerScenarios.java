package steadfast;

import static steadfast.Check.equal;
import static steadfast.Check.eventually;

import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.client.WorkflowStub;
import io.temporal.common.SearchAttributes;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import io.temporal.testing.TemporalDevServer;
import io.temporal.testing.TemporalDevServerOptions;
import io.temporal.worker.WorkerFactory;
import java.net.HttpURLConnection;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import steadfast.Workflows.Collect;

/** The SDK starts the server's binary itself, as it would start a development server. */
final class DevServerScenarios {
  private DevServerScenarios() {}

  /** Only where there is a binary. */
  static final List<Scenario> ALL =
      System.getenv("STEADFAST_BINARY") == null
          ? List.of()
          : List.of(
              new Scenario("dev server: runs a workflow", DevServerScenarios::runs),
              new Scenario("dev server: keeps its data", DevServerScenarios::keepsData));

  private static final List<String> ATTRIBUTES =
      List.of("--search-attribute", "SdkInt=Int", "--search-attribute", "SdkKeyword=Keyword");

  private static TemporalDevServerOptions.Builder options() {
    return TemporalDevServerOptions.newBuilder()
        .setExistingPath(System.getenv("STEADFAST_BINARY"))
        .setExtraArgs(ATTRIBUTES);
  }

  /** Starts the binary and a worker, and plays on it. */
  private static void with(Stage s, TemporalDevServerOptions options, Scenario.Plot plot)
      throws Exception {
    try (TemporalDevServer server = TemporalDevServer.start("a-namespace", options)) {
      WorkflowServiceStubs service =
          WorkflowServiceStubs.newServiceStubs(
              WorkflowServiceStubsOptions.newBuilder().setTarget(server.getTarget()).build());
      WorkflowClient client =
          WorkflowClient.newInstance(
              service,
              WorkflowClientOptions.newBuilder().setNamespace(server.getNamespace()).build());
      Theater theater = new Theater(client, s.id);
      WorkerFactory factory = theater.startWorker(s.taskQueue, Theater.CACHE);
      try {
        plot.play(new Stage(theater, s.taskQueue, "there"));
      } finally {
        factory.shutdownNow();
        service.shutdownNow();
      }
    }
  }

  private static void runs(Stage s) throws Exception {
    int uiPort = freePort();
    int metricsPort = freePort();
    List<String> more =
        List.of(
            "--metrics-port=" + metricsPort,
            "--http-port=" + freePort(),
            "--sqlite-pragma",
            "journal_mode=WAL",
            "--dynamic-config-value",
            "history.MaxBufferedQueryCount=10000",
            "--dynamic-config-value",
            "callback.allowedAddresses=[{\"Pattern\":\"localhost:7243\",\"AllowInsecure\":true}]",
            "--log-level",
            "never");
    List<String> extra = Stream.concat(ATTRIBUTES.stream(), more.stream()).toList();
    with(
        s,
        options().setUiPort(uiPort).setExtraArgs(extra).build(),
        there -> {
          SearchAttributes given =
              SearchAttributes.newBuilder()
                  .set(Workflows.INTEGER, 7L)
                  .set(Workflows.KEYWORD, "local")
                  .build();
          WorkflowStub run =
              there.start(o -> o.setTypedSearchAttributes(given), Collect.class, 1);
          run.signal("number", 5);
          MessageScenarios.numbers(there, run, 5);
          eventually(
              "the workflow in the list",
              () ->
                  there.count(
                          "SdkInt = 7 AND SdkKeyword = 'local' AND ExecutionStatus = 'Completed'")
                      == 1);
          equal("status of the UI", status(uiPort, "/"), 200);
          equal("status of the metrics", status(metricsPort, "/metrics"), 200);
        });
  }

  /** With a database file, what one server was told is known to the next. */
  private static void keepsData(Stage s) throws Exception {
    Path folder = Files.createTempDirectory("steadfast-dev-server-");
    TemporalDevServerOptions options =
        options().setDatabaseFilename(folder.resolve("temporal.db").toString()).build();
    try {
      with(
          s,
          options,
          there -> {
            WorkflowStub run = there.start(Collect.class, 2);
            run.signal("number", 1);
            equal("numbers before", MessageScenarios.ask(run, 0), "[1]");
          });
      with(
          s,
          options,
          there -> {
            WorkflowStub run = there.existing(there.id);
            run.signal("number", 2);
            MessageScenarios.numbers(there, run, 1, 2);
          });
    } finally {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) Files.delete(file);
      }
    }
  }

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  private static int status(int port, String page) throws Exception {
    URI address = URI.create("http://127.0.0.1:" + port + page);
    return ((HttpURLConnection) address.toURL().openConnection()).getResponseCode();
  }
}
