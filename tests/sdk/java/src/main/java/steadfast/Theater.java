package steadfast;

import io.temporal.client.WorkflowClient;
import io.temporal.worker.Worker;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerFactoryOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** What all scenarios share: it plays them side by side and counts how they end. */
final class Theater {
  static final WorkerFactoryOptions CACHE = WorkerFactoryOptions.getDefaultInstance();
  static final WorkerFactoryOptions NO_CACHE =
      WorkerFactoryOptions.newBuilder().setWorkflowCacheSize(0).build();

  /** Generous: on a quiet machine all scenarios together take a third of it. */
  static final int SCENARIO_LIMIT_SECONDS = 40;

  final WorkflowClient client;
  final String name;

  private record Performance(Scenario scenario, Future<?> end) {}

  private final ExecutorService threads = Executors.newCachedThreadPool();
  private final List<Performance> performances = new ArrayList<>();
  private int passed;
  private int failed;

  Theater(WorkflowClient client, String name) {
    this.client = client;
    this.name = name;
  }

  WorkerFactory startWorker(String taskQueue, WorkerFactoryOptions options) {
    WorkerFactory factory = WorkerFactory.newInstance(client, options);
    Worker worker = factory.newWorker(taskQueue);
    worker.registerWorkflowImplementationTypes(Workflows.ALL);
    worker.registerActivitiesImplementations(new Activities.Implementation());
    factory.start();
    return factory;
  }

  void begin(List<Scenario> scenarios, String taskQueue) {
    for (Scenario scenario : scenarios) {
      Stage stage = new Stage(this, taskQueue, scenario.name());
      Future<?> end =
          threads.submit(
              () -> {
                scenario.plot().play(stage);
                return null;
              });
      performances.add(new Performance(scenario, end));
    }
  }

  /** Waits for all scenarios begun so far and reports them. */
  void await() {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(SCENARIO_LIMIT_SECONDS);
    for (Performance performance : performances) {
      String problem = problem(performance.end(), deadline);
      if (problem == null) {
        passed++;
        System.out.println("ok " + performance.scenario().name());
      } else {
        failed++;
        System.out.println("FAIL " + performance.scenario().name() + ": " + problem);
      }
    }
    performances.clear();
  }

  private static String problem(Future<?> end, long deadline) {
    try {
      end.get(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
      return null;
    } catch (TimeoutException late) {
      return "not done after " + SCENARIO_LIMIT_SECONDS + " s";
    } catch (ExecutionException failure) {
      Throwable cause = failure.getCause();
      return cause instanceof AssertionError ? cause.getMessage() : chain(cause);
    } catch (InterruptedException interrupted) {
      return "interrupted";
    }
  }

  private static String chain(Throwable error) {
    return error.getCause() == null ? error.toString() : error + ", by " + chain(error.getCause());
  }

  int passed() {
    return passed;
  }

  int failed() {
    return failed;
  }
}
