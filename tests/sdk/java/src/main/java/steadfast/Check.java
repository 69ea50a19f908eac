package steadfast;

import com.google.protobuf.Timestamp;
import com.google.protobuf.util.Timestamps;
import io.temporal.api.common.v1.Payloads;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.common.converter.DefaultDataConverter;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;

/** The checks scenarios make, and ways to get at what they check. */
final class Check {
  private Check() {}

  static void that(boolean holds, String otherwise) {
    if (!holds) throw new AssertionError(otherwise);
  }

  static void equal(String what, Object got, Object want) {
    that(Objects.equals(got, want), what + " is " + got + ", not " + want);
  }

  static void within(String what, long got, long low, long high) {
    that(got >= low && got <= high, what + " is " + got + ", not between " + low + " and " + high);
  }

  /** Polls: visibility follows at a small distance, and some things take a moment. */
  static void eventually(String what, Callable<Boolean> happened) throws Exception {
    long deadline = System.currentTimeMillis() + Theater.SCENARIO_LIMIT_SECONDS * 1000L;
    while (!happened.call()) {
      that(System.currentTimeMillis() < deadline, "in vain waited for: " + what);
      Thread.sleep(100);
    }
  }

  /** Something that must throw, with an exception of the given class among the causes. */
  static <E extends Throwable> E failure(Class<E> kind, Callable<?> action) {
    try {
      action.call();
    } catch (Exception thrown) {
      return cause(kind, thrown);
    }
    throw new AssertionError("this did not fail, against all expectations");
  }

  static <E extends Throwable> E cause(Class<E> kind, Throwable error) {
    for (Throwable link = error; link != null; link = link.getCause()) {
      if (kind.isInstance(link)) return kind.cast(link);
    }
    throw new AssertionError("error is " + error + ", without a " + kind.getSimpleName());
  }

  /** Picks the events of one type. */
  static List<HistoryEvent> only(List<HistoryEvent> events, EventType type) {
    return events.stream().filter(event -> event.getEventType() == type).toList();
  }

  static int count(List<HistoryEvent> events, EventType type) {
    return only(events, type).size();
  }

  static long milliseconds(Timestamp time) {
    return Timestamps.toMillis(time);
  }

  /** Decodes the first value of what events and descriptions carry. */
  static <T> T decode(Payloads payloads, Class<T> type) {
    return DefaultDataConverter.STANDARD_INSTANCE.fromPayloads(
        0, Optional.of(payloads), type, type);
  }

  static Duration seconds(double seconds) {
    return Duration.ofMillis((long) (seconds * 1000));
  }
}
