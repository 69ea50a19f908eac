package steadfast;

import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_TIMER_CANCELED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_TIMER_FIRED;
import static io.temporal.api.enums.v1.EventType.EVENT_TYPE_TIMER_STARTED;
import static steadfast.Check.count;
import static steadfast.Check.equal;
import static steadfast.Check.milliseconds;
import static steadfast.Check.only;
import static steadfast.Check.within;

import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.client.WorkflowStub;
import java.util.Arrays;
import java.util.List;
import steadfast.Workflows.CancelTimer;
import steadfast.Workflows.Sleep;
import steadfast.Workflows.SleepInParallel;

final class TimerScenarios {
  private TimerScenarios() {}

  static final List<Scenario> ALL =
      List.of(
          new Scenario("timer fires neither early nor much late", TimerScenarios::onTime),
          new Scenario("timers fire in the order of their times", TimerScenarios::inOrder),
          new Scenario("fifty timers fire together", TimerScenarios::together),
          new Scenario("cancelled timer never fires", TimerScenarios::cancelled));

  private static void onTime(Stage s) throws Exception {
    s.finish(s.start(Sleep.class, 700));
    List<HistoryEvent> events = s.history(s.id);
    long started = milliseconds(only(events, EVENT_TYPE_TIMER_STARTED).get(0).getEventTime());
    long fired = milliseconds(only(events, EVENT_TYPE_TIMER_FIRED).get(0).getEventTime());
    within("time to fire", fired - started, 700, 2700);
  }

  private static void inOrder(Stage s) throws Exception {
    WorkflowStub run = s.start(SleepInParallel.class, new int[] {600, 900, 300});
    int[] woken = s.result(run, int[].class);
    equal("order", Arrays.toString(woken), "[300, 600, 900]");
  }

  private static void together(Stage s) throws Exception {
    int[] lengths = new int[50];
    Arrays.fill(lengths, 200);
    WorkflowStub run = s.start(SleepInParallel.class, lengths);
    equal("number woken", s.result(run, int[].class).length, 50);
    equal("timers fired", count(s.history(s.id), EVENT_TYPE_TIMER_FIRED), 50);
  }

  private static void cancelled(Stage s) throws Exception {
    equal("cancelled", s.result(s.start(CancelTimer.class), Boolean.class), true);
    List<HistoryEvent> events = s.history(s.id);
    equal("timers cancelled", count(events, EVENT_TYPE_TIMER_CANCELED), 1);
    equal("timers fired", count(events, EVENT_TYPE_TIMER_FIRED), 1);
  }
}
