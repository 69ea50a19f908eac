//! Queries made to break the parser: every one must be answered soon, by a filter or an error.

use std::time::{Duration, Instant};

use steadfast_visibility::{CustomAttributes, Scope, SearchAttributeType, parse_count};

fn answer(query: &str) {
    let custom = CustomAttributes::from([("KwA".to_owned(), SearchAttributeType::Keyword)]);
    let begin = Instant::now();
    let _answer = parse_count(query, &custom, Scope::Workflows);
    let taken = begin.elapsed();
    assert!(taken < Duration::from_secs(2), "{taken:?} for {query:.200}");
}

#[test]
fn repetitions() {
    for piece in [
        "(",
        ")",
        "NOT ",
        "!",
        "-",
        "+",
        "- ",
        "((",
        "KwA IN (",
        "KwA = (",
        "f(",
        "f(f(",
        "KwA BETWEEN ",
        "KwA AND ",
        "KwA = 'x' OR ",
        "(KwA = 'x' OR ",
        "NOT (KwA = 'x' AND ",
        "1 + ",
        "1 * (",
        "KwA IS NULL ",
        "case ",
        "interval ",
        "'x' ",
        "`",
        "'",
        "\"",
        "/*",
        "--",
        "\\",
        "$",
        "@",
        ",",
        "KwA STARTS_WITH ",
        "KwA = KwA = ",
        "a.b.",
        "a[",
        "0x",
        "1e",
        "1.",
        "?",
        ":",
        "::",
        "exists (",
        "select ",
        "cast(",
        "date '",
        "\u{0}",
        "ä",
        "GROUP BY ",
        "KwA NOT ",
        "KwA LIKE ",
        "{",
        "x'",
        "b'",
        "any(",
        "all (",
    ] {
        for times in [1, 10, 100, 195, 1000, 20_000] {
            answer(&piece.repeat(times));
            answer(&format!("KwA = 'x' AND {}", piece.repeat(times)));
            answer(&format!("KwA IN {}", piece.repeat(times)));
        }
    }
}

/// Well-formed, just below the limits.
#[test]
fn nested_and_chained() {
    let custom = CustomAttributes::from([("KwA".to_owned(), SearchAttributeType::Keyword)]);
    let accepted = |query: String| {
        let begin = Instant::now();
        parse_count(&query, &custom, Scope::Workflows).expect("within the limits");
        assert!(begin.elapsed() < Duration::from_secs(2), "{query:.200}");
    };
    let around = |open: &str, close: &str, times: usize| {
        format!("{}KwA = 'x'{}", open.repeat(times), close.repeat(times))
    };
    accepted(around("(", ")", 199));
    accepted(around("NOT ", "", 199));
    accepted(around("NOT (KwA = 'y' OR ", ")", 99));
    accepted(around("(KwA = 'y' AND ", ")", 199));
    accepted(around("", " OR KwA = 'y'", 999));
    accepted(format!("KwA IN ({})", vec!["'x'"; 100_000].join(",")));
}

#[test]
fn random_words() {
    let words = [
        "KwA",
        "=",
        "'x'",
        "(",
        ")",
        "AND",
        "OR",
        "NOT",
        "IN",
        ",",
        "BETWEEN",
        "IS",
        "NULL",
        "STARTS_WITH",
        "1",
        "-",
        "!",
        "<",
        "LIKE",
        "f",
        "GROUP BY",
        "ExecutionStatus",
        ";",
        "true",
        "*",
        "||",
        "&&",
        "`Kw`",
        "1.5",
        "interval",
        "case",
        "select",
        ".",
        "[",
        "\n",
    ];
    let mut state: u64 = 0x2545_f491_4f6c_dd1d;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound).expect("small")
    };
    for _ in 0..5000 {
        let length = 1 + below(25);
        let query: Vec<_> = (0..length)
            .map(|_| words[below(words.len() as u64)])
            .collect();
        answer(&query.join(" "));
    }
}
