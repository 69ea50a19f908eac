//! One field of a schedule: a set of small numbers.

use jiff::Zoned;

pub(super) const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
pub(super) const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The numbers that a field allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Set {
    bits: u64,
    /// Whether it allows all because it says `*` or `?`.
    is_star: bool,
}

impl Set {
    /// Parses a list of ranges between `min` and `max`. `names` stand for the numbers from `min` on.
    pub(super) fn parse(text: &str, min: u8, max: u8, names: &[&str]) -> Option<Self> {
        assert!(min < max && max < 64);
        let mut set = Self {
            bits: 0,
            is_star: false,
        };
        for range in text.split(',').filter(|range| !range.is_empty()) {
            set.add(range, min, max, names)?;
        }
        (set.bits != 0).then_some(set)
    }

    /// `n`, `n-m`, `*`, each with an optional `/step`; `n/step` goes up to `max`.
    fn add(&mut self, range: &str, min: u8, max: u8, names: &[&str]) -> Option<()> {
        let (bounds, step) = match range.split_once('/') {
            Some((bounds, step)) => (bounds, Some(number(step, 1, &[])?)),
            None => (range, None),
        };
        let (first, last) = match bounds.split_once('-') {
            _ if bounds == "*" || bounds == "?" => {
                self.is_star |= step.is_none_or(|step| step == 1);
                (min, max)
            }
            Some((first, last)) => (number(first, min, names)?, number(last, min, names)?),
            None => {
                let only = number(bounds, min, names)?;
                (only, if step.is_some() { max } else { only })
            }
        };
        let step = step.unwrap_or(1);
        if first < min || last > max || first > last || step == 0 {
            return None;
        }
        for value in (first..=last).step_by(usize::from(step)) {
            self.bits |= 1 << value;
        }
        Some(())
    }

    /// Whether the field allows `value`, which is not negative.
    pub(super) fn has(self, value: i8) -> bool {
        self.bits & (1 << value) != 0
    }
}

/// A number, or a name that stands for one.
fn number(text: &str, min: u8, names: &[&str]) -> Option<u8> {
    let named = names
        .iter()
        .position(|name| name.eq_ignore_ascii_case(text));
    if let Some(position) = named {
        return Some(min + position as u8);
    }
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The days that a schedule allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Days {
    /// From 1.
    pub(super) of_month: Set,
    /// From Sunday, 0.
    pub(super) of_week: Set,
}

impl Days {
    /// Vixie's rule: if both fields restrict the days, either will do.
    pub(super) fn has(self, time: &Zoned) -> bool {
        let of_month = self.of_month.has(time.day());
        let of_week = self.of_week.has(time.weekday().to_sunday_zero_offset());
        if self.of_month.is_star || self.of_week.is_star {
            of_month && of_week
        } else {
            of_month || of_week
        }
    }
}
