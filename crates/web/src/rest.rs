//! How often something may be made anew: what is dear seldom, but the first change after a quiet time at once.

use std::time::Duration;

use tokio::time::Instant;

/// What was made rests this many times as long as it took, on average.
const TIMES: u32 = 4;
/// So much rest is saved in a quiet time; what follows it need not wait until that is used up.
const SAVED_MAX: Duration = Duration::from_millis(500);

/// Says when something that is made again and again may be made the next time.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// None before it was made for the first time.
    until: Option<Instant>,
}

impl Rest {
    /// It took this long from `began`, and rests at least `least` for it.
    pub(crate) fn earn(&mut self, began: Instant, took: Duration, least: Duration) {
        let saved = began.checked_sub(SAVED_MAX).unwrap_or(began);
        let from = self.until.map_or(saved, |until| until.max(saved));
        self.until = Some(from + took + (took * TIMES).max(least));
    }

    /// From when on it may be made; none or a time that has passed if now.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until.filter(|until| *until > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_millis(100);

    /// Makes it as often as it may for so long, each time at this cost; how often that was.
    async fn made(rest: &mut Rest, cost: Duration, time: Duration) -> u32 {
        let (end, mut count) = (Instant::now() + time, 0);
        while let Some(until) = rest.until().or(Some(Instant::now())).filter(|at| *at < end) {
            tokio::time::sleep_until(until).await;
            let began = Instant::now();
            tokio::time::sleep(cost).await;
            rest.earn(began, began.elapsed(), LEAST);
            count += 1;
        }
        tokio::time::sleep_until(end).await;
        count
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_dear_takes_a_fifth_of_the_time_and_what_is_cheap_is_not_made_more_often_than_told()
     {
        let hour = Duration::from_secs(3600);
        let often = made(&mut Rest::default(), Duration::from_millis(5), hour).await;
        assert!((34_285..=34_295).contains(&often), "every 105 ms: {often}");
        let dear = made(&mut Rest::default(), Duration::from_secs(1), hour).await;
        assert!((720..=721).contains(&dear), "every 5 s: {dear}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_quiet_time_a_few_are_made_at_once() {
        let mut rest = Rest::default();
        let cost = Duration::from_millis(20);
        for _ in 0..3 {
            assert_eq!(made(&mut rest, cost, Duration::from_millis(80)).await, 4);
            made(&mut rest, cost, Duration::from_secs(10)).await;
            assert!(
                rest.until().is_some(),
                "nothing is saved where it is made all the time"
            );
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert!(rest.until().is_none());
        }
    }
}
