package steadfast;

import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowClientOptions;
import io.temporal.serviceclient.WorkflowServiceStubs;
import io.temporal.serviceclient.WorkflowServiceStubsOptions;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * Runs real workflows with the Java SDK against a server and checks what comes back. It is worker
 * and client in one process:
 *
 * <pre>
 * STEADFAST_ADDRESS=127.0.0.1:7233 STEADFAST_NAMESPACE=default mvn -q -B compile exec:java
 * </pre>
 *
 * With STEADFAST_BINARY, the SDK starts servers of its own from that binary too.
 *
 * <p>Every scenario prints {@code ok NAME} or {@code FAIL NAME: reason}. At the end the histories of
 * all runs go through the SDK's replayer, the strictest reader of histories there is.
 */
public final class Main {
  /** For the whole program, which therefore always ends, even on a very busy machine. */
  private static final int TIME_LIMIT_SECONDS = 100;

  public static void main(String[] args) {
    System.out.println(); // Maven may have begun the line with codes for colors
    endInTime();
    WorkflowServiceStubs service =
        WorkflowServiceStubs.newServiceStubs(
            WorkflowServiceStubsOptions.newBuilder()
                .setTarget(environment("STEADFAST_ADDRESS", "127.0.0.1:7233"))
                .build());
    WorkflowClient client =
        WorkflowClient.newInstance(
            service,
            WorkflowClientOptions.newBuilder()
                .setNamespace(environment("STEADFAST_NAMESPACE", "default"))
                .build());

    // Prefix of all task queues and workflow ids: programs do not meet on a shared server.
    String name = "java-" + UUID.randomUUID().toString().substring(0, 8);
    String cacheless = name + "-cacheless";
    Theater theater = new Theater(client, name);
    theater.startWorker(name, Theater.CACHE);
    theater.startWorker(cacheless, Theater.NO_CACHE);

    List<Scenario> scenarios =
        Stream.of(
                ActivityScenarios.ALL,
                CompletionScenarios.ALL,
                TimerScenarios.ALL,
                MessageScenarios.ALL,
                ChildScenarios.ALL,
                RunScenarios.ALL,
                IdentityScenarios.ALL,
                VisibilityScenarios.ALL,
                HistoryScenarios.ALL,
                DevServerScenarios.ALL)
            .flatMap(List::stream)
            .toList();
    theater.begin(scenarios, name);
    theater.begin(HistoryScenarios.WITHOUT_CACHE, cacheless);
    theater.await();
    theater.begin(List.of(HistoryScenarios.REPLAY), name);
    theater.await();

    System.out.printf("%d passed, %d failed%n", theater.passed(), theater.failed());
    System.out.flush();
    System.exit(theater.failed() > 0 ? 1 : 0);
  }

  private static void endInTime() {
    TimerTask end =
        new TimerTask() {
          @Override
          public void run() {
            System.out.printf("FAIL time limit: not done after %d s%n", TIME_LIMIT_SECONDS);
            Runtime.getRuntime().halt(2);
          }
        };
    new Timer(true).schedule(end, TIME_LIMIT_SECONDS * 1000L);
  }

  private static String environment(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null || value.isEmpty() ? otherwise : value;
  }
}
