package steadfast;

import io.temporal.activity.Activity;
import io.temporal.activity.ActivityExecutionContext;
import io.temporal.activity.ActivityInterface;
import io.temporal.failure.ApplicationFailure;
import java.util.Base64;
import java.util.Optional;

/** The activities the worker offers. All have the same shape, so that workflows can call any. */
@ActivityInterface
public interface Activities {
  /** Fails before the given attempt; from it on it returns its attempt. */
  Integer succeedAt(int wanted);

  Integer failForGood(int unused);

  /** Leaves a note in its first attempt and finds it in the second. */
  Integer resume(int note);

  /** Ignores everything going on around it, as a stuck program would. */
  Integer oversleep(int milliseconds);

  Integer beatAndStall(int note);

  Integer beatUntilCancelled(int unused);

  /**
   * Returns without a result and hands its token out as a heartbeat, where anyone who may describe
   * the workflow can find it.
   */
  Integer leaveOpen(int unused);

  final class Implementation implements Activities {
    @Override
    public Integer succeedAt(int wanted) {
      int attempt = context().getInfo().getAttempt();
      if (attempt < wanted) {
        throw ApplicationFailure.newFailure(
            "attempt " + attempt + " failed", "TooEarly", (Object) attempt);
      }
      return attempt;
    }

    @Override
    public Integer failForGood(int unused) {
      throw ApplicationFailure.newNonRetryableFailure("no use trying", "Hopeless");
    }

    @Override
    public Integer resume(int note) {
      Optional<Integer> found = context().getHeartbeatDetails(Integer.class);
      if (found.isPresent()) return found.get();
      context().heartbeat(note);
      throw ApplicationFailure.newFailure("crashed halfway", "Crash");
    }

    @Override
    public Integer oversleep(int milliseconds) {
      pause(milliseconds);
      return null;
    }

    @Override
    public Integer beatAndStall(int note) {
      context().heartbeat(note);
      pause(4000); // long enough for a busy machine to tell a timeout from a return
      return null;
    }

    @Override
    public Integer beatUntilCancelled(int unused) {
      while (true) {
        context().heartbeat(null); // throws once the activity is cancelled
        pause(100);
      }
    }

    @Override
    public Integer leaveOpen(int unused) {
      context().heartbeat(Base64.getEncoder().encodeToString(context().getTaskToken()));
      context().doNotCompleteOnReturn();
      return null;
    }

    private static ActivityExecutionContext context() {
      return Activity.getExecutionContext();
    }

    private static void pause(int milliseconds) {
      try {
        Thread.sleep(milliseconds);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
