//! Figures beside their budgets, as Markdown tables.

use std::fmt::Write;

/// Measurements of one thing.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The value that this part of them does not exceed, none if there are no measurements.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (part * sorted.len() as f64).ceil().max(1.0);
        sorted.get(rank as usize - 1).copied()
    }

    pub fn worst(&self) -> Option<f64> {
        self.quantile(1.0)
    }
}

struct Figure {
    name: String,
    value: f64,
    /// What half of the measurements do not exceed, where the value is one of many.
    half: Option<f64>,
    unit: &'static str,
    /// The budget.
    most: Option<f64>,
}

impl Figure {
    fn met(&self) -> Option<bool> {
        self.most.map(|most| self.value <= most)
    }
}

/// Figures that belong together.
pub struct Report {
    title: String,
    figures: Vec<Figure>,
}

impl Report {
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            figures: Vec::new(),
        }
    }

    /// A single number.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        most: Option<f64>,
    ) {
        self.figures.push(Figure {
            name: name.into(),
            value,
            half: None,
            unit,
            most,
        });
    }

    /// The 95th percentile of many, which is the worst of up to 20, and their median.
    pub fn add_p95(
        &mut self,
        name: impl Into<String>,
        of: &Samples,
        unit: &'static str,
        most: Option<f64>,
    ) {
        // What was not measured has kept no budget.
        self.figures.push(Figure {
            name: name.into(),
            value: of.quantile(0.95).unwrap_or(f64::NAN),
            half: of.quantile(0.5),
            unit,
            most,
        });
    }

    /// Budgets that were kept, and all there are.
    pub fn kept(&self) -> (usize, usize) {
        let met = self.figures.iter().filter_map(Figure::met);
        (met.clone().filter(|met| *met).count(), met.count())
    }

    pub fn markdown(&self) -> String {
        let mut text = format!(
            "### {}\n\n| what | measured | target | met |\n|---|---|---|---|\n",
            self.title
        );
        for figure in &self.figures {
            let with_unit = |value: f64| {
                format!("{} {}", number(value), figure.unit)
                    .trim_end()
                    .to_owned()
            };
            let half = figure.half.map(|half| format!(" (p50 {})", number(half)));
            let most = figure
                .most
                .map(|most| format!("at most {}", with_unit(most)));
            let met = match figure.met() {
                None => "",
                Some(true) => "yes",
                Some(false) => "**no**",
            };
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "| {} | {}{} | {} | {met} |",
                figure.name,
                with_unit(figure.value),
                half.unwrap_or_default(),
                most.unwrap_or_default()
            );
        }
        text
    }
}

/// Three digits that matter, and no fewer than the number's own whole ones.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if magnitude >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_judged_by_the_slowest_but_one_of_twenty() {
        let mut samples = Samples::default();
        assert_eq!(samples.quantile(0.95), None);
        (1..=20).for_each(|value| samples.add(f64::from(value)));
        assert_eq!(samples.quantile(0.95), Some(19.0));
        assert_eq!(samples.quantile(0.5), Some(10.0));
        assert_eq!(samples.worst(), Some(20.0));
    }

    #[test]
    fn what_was_not_measured_has_kept_no_budget() {
        let mut report = Report::new("All");
        report.add("shift", 0.0, "", Some(0.0));
        report.add_p95("paint", &Samples::default(), "ms", Some(150.0));
        assert_eq!(report.kept(), (1, 2));
        let text = report.markdown();
        assert!(text.contains("| shift | 0 | at most 0 | yes |"), "{text}");
        assert!(
            text.contains("| paint | NaN ms | at most 150 ms | **no** |"),
            "{text}"
        );
    }
}
