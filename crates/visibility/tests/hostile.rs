//! Queries made to break the parser: every one must be answered, by an error or by a filter that is not much larger than
//! the query.

use steadfast_visibility::{
    CustomAttributes, Filter, Predicate, QueryError, Scope, SearchAttributeType, parse_count,
};

fn answer(query: &str) -> Result<(), QueryError> {
    let custom = CustomAttributes::from([("KwA".to_owned(), SearchAttributeType::Keyword)]);
    let filter = parse_count(query, &custom, Scope::Workflows)?.filter;
    // The condition on the division, which is added where a query has none, is two of them.
    let (size, most) = (size(&filter), query.len() + 2);
    assert!(size <= most, "{size} parts from {query:.200}");
    Ok(())
}

/// How many parts and values a filter has.
fn size(filter: &Filter) -> usize {
    match filter {
        Filter::And(filters) | Filter::Or(filters) => 1 + filters.iter().map(size).sum::<usize>(),
        Filter::Not(inner) => 1 + size(inner),
        Filter::Test(_, Predicate::In(values)) => 1 + values.len(),
        Filter::Test(_, Predicate::ContainsPhrase(phrases)) => {
            1 + phrases.iter().map(Vec::len).sum::<usize>()
        }
        Filter::Test(..) => 1,
    }
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
            let _ = answer(&piece.repeat(times));
            let _ = answer(&format!("KwA = 'x' AND {}", piece.repeat(times)));
            let _ = answer(&format!("KwA IN {}", piece.repeat(times)));
        }
    }
}

/// Well-formed, just below the limits.
#[test]
fn nested_and_chained() {
    let accepted = |query: String| answer(&query).expect("within the limits");
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
        let _ = answer(&query.join(" "));
    }
}
