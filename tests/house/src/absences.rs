//! What must not occur in which sources.

use crate::tree;

/// The clock, the disk, the net, threads, waiting, chance: what would make the same inputs end differently.
const IMPURE: [&str; 17] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "tokio",
    "async fn",
    ".await",
    "rand::",
    "now_v7",
    "new_v4",
    // Their order differs from one process to the next.
    "HashMap",
    "HashSet",
];

const PURE_CRATES: [&str; 3] = [
    "crates/core/src/",
    "crates/matching/src/",
    "crates/visibility/src/",
];

/// What stays behind when work is not done, or hides that it is not.
const UNFINISHED: [&str; 6] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[", "ignore"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Where the engine may ask for the time and for chance: one seam, and the duration of commits for the metrics.
const ENGINE_SEAM: [&str; 2] = [
    "crates/engine/src/clock.rs",
    "crates/engine/src/committer.rs",
];

/// The text without comments, which may name what is absent.
fn code(source: &str) -> String {
    let lines = source.lines();
    lines
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether `word` stands in `code`, and not as a part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let word_begins = word.starts_with(is_part) && before.is_some_and(is_part);
        let word_ends = word.ends_with(is_part) && after.is_some_and(is_part);
        !word_begins && !word_ends
    })
}

#[test]
fn words_are_found() {
    assert!(has_word("let x = Instant::now();", "Instant"));
    assert!(!has_word("let x = Instantly;", "Instant"));
    assert!(!has_word("Operand::Column", "rand::"));
    assert!(has_word("rand::rng()", "rand::"));
}

#[test]
fn pure_crates_have_no_clock_no_chance_and_no_io() {
    for path in tree::sources() {
        if !PURE_CRATES.iter().any(|pure| path.starts_with(pure)) {
            continue;
        }
        let source = tree::text(&path);
        let code = code(tree::without_tests(&source));
        for word in IMPURE {
            assert!(!has_word(&code, word), "{path} must do without `{word}`");
        }
    }
}

#[test]
fn the_engine_asks_for_the_time_in_one_place() {
    for path in tree::sources() {
        if !path.starts_with("crates/engine/src/") || ENGINE_SEAM.contains(&path.as_str()) {
            continue;
        }
        let source = tree::text(&path);
        let code = code(tree::without_tests(&source));
        for word in ["Instant::now", "SystemTime", "now_v7", "new_v4", "rand::"] {
            assert!(
                !has_word(&code, word),
                "{path} must ask the surroundings, not `{word}`"
            );
        }
    }
}

#[test]
fn services_know_no_store() {
    for path in tree::sources() {
        if !path.starts_with("crates/server/src/") {
            continue;
        }
        let code = code(&tree::text(&path));
        assert!(
            !has_word(&code, "steadfast_store"),
            "{path} must ask the engine"
        );
    }
}

#[test]
fn nothing_is_left_unfinished() {
    for path in tree::files() {
        if !path.ends_with(".rs") {
            continue;
        }
        let text = tree::text(&path);
        for mark in UNFINISHED {
            assert!(!text.contains(mark), "{path} has `{mark}`");
        }
    }
}
