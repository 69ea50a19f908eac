//! Figures and how they are shown: as text, as a Markdown table, as JSON.

use std::fmt::Write;

/// What a figure should reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

/// One number with its meaning.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) target: Option<Target>,
}

/// Figures that belong together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) title: String,
    pub(crate) figures: Vec<Figure>,
}

impl Figure {
    fn measured(&self) -> String {
        let measured = format!("{} {}", number(self.value), self.unit);
        measured.trim_end().to_string()
    }

    /// Whether the target is reached, if there is one.
    fn met(&self) -> Option<bool> {
        Some(match self.target? {
            Target::AtLeast(bound) => bound <= self.value,
            Target::AtMost(bound) => self.value <= bound,
        })
    }
}

impl Report {
    pub(crate) fn new(title: impl Into<String>) -> Report {
        Report {
            title: title.into(),
            figures: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            name: name.into(),
            value,
            unit,
            target: None,
        });
    }

    pub(crate) fn add_if(&mut self, name: &str, value: Option<f64>, unit: &'static str) {
        if let Some(value) = value {
            self.add(name, value, unit);
        }
    }

    pub(crate) fn add_with(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        self.figures.push(Figure {
            name: name.into(),
            value,
            unit,
            target: Some(target),
        });
    }

    /// Sets the target of a figure, if it was measured.
    pub(crate) fn target(&mut self, name: &str, target: Target) {
        for figure in &mut self.figures {
            if figure.name == name {
                figure.target = Some(target);
            }
        }
    }

    /// Takes over the figures of another report that are wanted, as those of its `part`.
    pub(crate) fn add_part(&mut self, part: &str, of: &Report, wanted: impl Fn(&str) -> bool) {
        let figures = of.figures.iter().filter(|figure| wanted(&figure.name));
        for figure in figures {
            self.add(
                format!("{part}: {}", figure.name),
                figure.value,
                figure.unit,
            );
        }
    }

    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures
            .iter()
            .find(|figure| figure.name == name)
            .map(|figure| figure.value)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.title);
        let width = self
            .figures
            .iter()
            .map(|figure| figure.name.len())
            .max()
            .unwrap_or(0);
        for figure in &self.figures {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {:width$}  {}", figure.name, figure.measured());
        }
        text
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "### {}\n\n| what | measured | target | met |\n|---|---|---|---|\n",
            self.title
        );
        for figure in &self.figures {
            let target = match figure.target {
                None => String::new(),
                Some(Target::AtLeast(bound)) => {
                    format!("at least {} {}", number(bound), figure.unit)
                }
                Some(Target::AtMost(bound)) => {
                    format!("at most {} {}", number(bound), figure.unit)
                }
            };
            let met = match figure.met() {
                None => "",
                Some(true) => "yes",
                Some(false) => "**no**",
            };
            let _ = writeln!(
                text,
                "| {} | {} | {target} | {met} |",
                figure.name,
                figure.measured()
            );
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let figures = self.figures.iter().map(|figure| {
            let met = figure.met().map(|met| format!(",\"met\":{met}"));
            format!(
                "{{\"name\":{},\"value\":{},\"unit\":{}{}}}",
                quoted(&figure.name),
                if figure.value.is_finite() {
                    figure.value.to_string()
                } else {
                    "null".to_string()
                },
                quoted(figure.unit),
                met.unwrap_or_default()
            )
        });
        let figures: Vec<String> = figures.collect();
        format!(
            "{{\"title\":{},\"figures\":[{}]}}",
            quoted(&self.title),
            figures.join(",")
        )
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

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_in_its_three_forms() {
        let mut report = Report::new("load \"x\"");
        report.add("rate", 1234.5, "/s");
        report.add("p50", 0.2567, "ms");
        report.add("p99", 12.34, "ms");
        report.target("rate", Target::AtLeast(1000.0));
        report.target("p99", Target::AtMost(10.0));
        assert_eq!(
            report.text(),
            "load \"x\"\n  rate  1234 /s\n  p50   0.257 ms\n  p99   12.3 ms\n"
        );
        let markdown = report.markdown();
        assert!(
            markdown.contains("| rate | 1234 /s | at least 1000 /s | yes |"),
            "{markdown}"
        );
        assert!(
            markdown.contains("| p99 | 12.3 ms | at most 10 ms | **no** |"),
            "{markdown}"
        );
        assert!(report.json().starts_with(
            r#"{"title":"load \"x\"","figures":[{"name":"rate","value":1234.5,"unit":"/s","met":true}"#
        ));
    }
}
