//! Two reports, and what differs between them.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use regex::Regex;

/// A difference that is known, with its reason.
struct Known {
    pattern: Regex,
    used: bool,
}

/// The outcome of a comparison, to be printed.
pub(crate) struct Outcome {
    /// One line for each difference: `- page: line` is missing in the second report, `+ page: line` is only there.
    pub(crate) unexpected: Vec<String>,
    /// How many differences the list of known ones covers.
    pub(crate) known: usize,
    /// Entries of that list that cover nothing.
    pub(crate) unused: Vec<String>,
    /// Lines that are the same in both.
    pub(crate) same: usize,
}

/// Compares `ours` with `theirs`, but for what `known` names. Each of its lines is a regular expression for a difference
/// as this function words it; lines that begin with `#` give the reasons.
pub(crate) fn compare(theirs: &str, ours: &str, known: &str) -> Result<Outcome> {
    let mut known = parse_known(known)?;
    let (theirs, ours) = (sections(theirs), sections(ours));
    let mut outcome = Outcome {
        unexpected: Vec::new(),
        known: 0,
        unused: Vec::new(),
        same: 0,
    };
    let mut differ = |difference: String| {
        let matching = known
            .iter_mut()
            .filter(|known| known.pattern.is_match(&difference));
        let mut covered = false;
        for known in matching {
            known.used = true;
            covered = true;
        }
        if covered {
            outcome.known += 1;
        } else {
            outcome.unexpected.push(difference);
        }
    };
    let names = theirs
        .keys()
        .chain(ours.keys().filter(|name| !theirs.contains_key(*name)));
    for name in names {
        let nothing = BTreeMap::new();
        let (their_lines, our_lines) = (
            theirs.get(name).unwrap_or(&nothing),
            ours.get(name).unwrap_or(&nothing),
        );
        for (line, count) in their_lines {
            let our_count = our_lines.get(line).copied().unwrap_or(0);
            outcome.same += our_count.min(*count);
            for _ in our_count..*count {
                differ(format!("- {name}: {line}"));
            }
        }
        for (line, count) in our_lines {
            for _ in their_lines.get(line).copied().unwrap_or(0)..*count {
                differ(format!("+ {name}: {line}"));
            }
        }
    }
    outcome.unused = (known.iter())
        .filter(|known| !known.used)
        .map(|known| known.pattern.as_str().to_owned())
        .collect();
    Ok(outcome)
}

fn parse_known(text: &str) -> Result<Vec<Known>> {
    let mut reasoned = false;
    let mut known = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            reasoned = false;
        } else if line.starts_with('#') {
            reasoned = true;
        } else if reasoned {
            known.push(Known {
                pattern: Regex::new(line)?,
                used: false,
            });
        } else {
            bail!("no reason is given for `{line}`");
        }
    }
    Ok(known)
}

/// How often each line stands in each section. The order of lines within a page is not compared.
fn sections(report: &str) -> BTreeMap<&str, BTreeMap<&str, usize>> {
    let mut sections: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut name = "";
    for line in report.lines() {
        match line.strip_prefix("  ") {
            Some(fact) => *sections.entry(name).or_default().entry(fact).or_default() += 1,
            None => {
                name = line;
                sections.entry(name).or_default();
            }
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "page /a\n  call GET /x -> 200\n  text one\npage /b\n  text two\n";

    #[test]
    fn equal_reports_do_not_differ() {
        let outcome = compare(THEIRS, THEIRS, "").unwrap();
        assert!(outcome.unexpected.is_empty());
        assert_eq!(outcome.same, 3);
    }

    #[test]
    fn what_is_missing_and_what_is_new_is_named() {
        let ours = "page /a\n  call GET /x -> 501\n  text one\npage /b\n  text two\n  text two\n";
        let outcome = compare(THEIRS, ours, "").unwrap();
        assert_eq!(
            outcome.unexpected,
            [
                "- page /a: call GET /x -> 200",
                "+ page /a: call GET /x -> 501",
                "+ page /b: text two"
            ]
        );
    }

    #[test]
    fn a_known_difference_needs_a_reason() {
        let ours = "page /a\n  call GET /x -> 501\n  text one\npage /b\n  text two\n";
        let outcome = compare(THEIRS, ours, "# not built\nGET /x -> \nGET /y\n").unwrap();
        assert!(outcome.unexpected.is_empty());
        assert_eq!(outcome.known, 2);
        assert_eq!(outcome.unused, ["GET /y"]);
        assert!(compare(THEIRS, ours, "GET /x -> \n").is_err());
    }
}
