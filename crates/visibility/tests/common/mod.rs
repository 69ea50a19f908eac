//! One suite for every visibility store.

pub(crate) mod dataset;

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use steadfast_visibility::{
    Caller, Change, Count, Filter, GroupBy, List, Page, Record, Scope, Sort, StoreError, Value,
    VisibilityStore, parse_count, parse_extended_count, parse_list, parse_sorted_list,
};

use dataset::{NAMESPACE, custom_attributes, fill, keyword, list, run};

/// Runs all checks, each on a new store.
pub(crate) fn check_store<S>(new: impl Fn() -> S)
where
    S: Deref<Target: VisibilityStore + Sized>,
{
    check_queries(&*new(), include_str!("queries.txt"), Scope::Workflows);
    check_queries(&*new(), include_str!("schedules.txt"), Scope::Schedules);
    check_counts(&*new());
    check_pages(&*new());
    check_sorted(&*new());
    check_contains(&*new());
    check_versions_and_deletes(&*new());
    check_round_trip(&*new());
    check_namespaces(&*new());
    check_changed_types(&*new());
    check_odd_strings(&*new());
    check_marker(&*new());
    check_callers(&*new());
}

fn cases(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.rsplit_once("-> ").expect("a case"))
}

fn names(page: &Page) -> BTreeSet<&str> {
    page.records
        .iter()
        .map(|record| record.run_id.trim_start_matches("run-"))
        .collect()
}

fn check_queries(store: &dyn VisibilityStore, text: &str, scope: Scope) {
    fill(store);
    let custom = custom_attributes();
    let mut failures = Vec::new();
    for (query, expected) in cases(text) {
        let found = match parse_list(query, &custom, scope) {
            Ok(filter) => {
                let page = store.list(NAMESPACE, &filter, 1000, &[]).unwrap();
                let count = store.count(NAMESPACE, &filter, None).unwrap();
                assert_eq!(
                    count.total,
                    page.records.len() as u64,
                    "list and count disagree: {query}"
                );
                let names = names(&page);
                let wanted: BTreeSet<_> =
                    expected.split(' ').filter(|name| *name != "none").collect();
                if names == wanted {
                    continue;
                }
                format!("{names:?}")
            }
            Err(error) => {
                let error = error.to_string();
                let reason = error
                    .strip_prefix("invalid query: ")
                    .expect("the common beginning");
                if expected.strip_prefix("! ") == Some(reason) {
                    continue;
                }
                error
            }
        };
        failures.push(format!(
            "{query}\n  expected {expected}\n  found    {found}"
        ));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check_counts(store: &dyn VisibilityStore) {
    fill(store);
    for (query, expected) in cases(include_str!("counts.txt")) {
        let found = match parse_count(query, &custom_attributes(), Scope::Workflows) {
            Ok(query) => printed(
                &store
                    .count(NAMESPACE, &query.filter, query.group_by)
                    .unwrap(),
            ),
            Err(error) => error.to_string().replace("invalid query:", "!"),
        };
        assert_eq!(found, expected, "{query}");
    }
}

fn printed(count: &Count) -> String {
    let groups = count
        .groups
        .iter()
        .map(|(name, count)| format!(" {name}={count}"));
    format!("{}{}", count.total, groups.collect::<String>())
}

fn check_pages(store: &dyn VisibilityStore) {
    fill(store);
    let all = parse_list("", &custom_attributes(), Scope::Workflows).unwrap();
    let whole = store.list(NAMESPACE, &all, 1000, &[]).unwrap();
    // Open runs by start time, then the closed ones by close time.
    let order: Vec<_> = whole
        .records
        .iter()
        .map(|record| &record.workflow_id[..])
        .collect();
    assert_eq!(order, ["s", "w5", "w4", "w3", "w8", "w7", "w6", "w2", "w1"]);
    assert!(whole.next_page_token.is_empty());

    for page_size in 1..=10 {
        for filter in [
            "",
            "KwA IS NOT NULL",
            "ExecutionStatus = 'Running'",
            "WorkflowType = 'wfA'",
        ] {
            let filter = parse_list(filter, &custom_attributes(), Scope::Workflows).unwrap();
            let whole = store.list(NAMESPACE, &filter, 1000, &[]).unwrap().records;
            assert_eq!(pages(store, &filter, page_size), whole);
        }
    }
    // A page that is just full is followed by an empty one.
    let full = store.list(NAMESPACE, &all, 9, &[]).unwrap();
    assert!(!full.next_page_token.is_empty());
    assert_eq!(
        store
            .list(NAMESPACE, &all, 9, &full.next_page_token)
            .unwrap(),
        Page::default()
    );
    assert!(store.list(NAMESPACE, &all, 9, b"xx").is_err());

    // Runs with equal times are told apart by their ids.
    let equal = (0..20).map(|number| Record {
        run_id: format!("run-{number:02}"),
        ..run("x", 50, 1, None, vec![])
    });
    store
        .apply(&equal.map(Change::Upsert).collect::<Vec<_>>(), None)
        .unwrap();
    let filter = parse_list("WorkflowId = 'x'", &custom_attributes(), Scope::Workflows).unwrap();
    for filter in [&filter, &all] {
        let found: Vec<_> = pages(store, filter, 3)
            .into_iter()
            .map(|record| record.run_id)
            .collect();
        assert_eq!(
            found[..20],
            (0..20)
                .map(|number| format!("run-{number:02}"))
                .collect::<Vec<_>>()
        );
    }
}

fn list_sorted(
    store: &dyn VisibilityStore,
    namespace_id: &str,
    filter: &Filter,
    sort: &Sort,
    page_size: usize,
    token: &[u8],
) -> Result<Page, StoreError> {
    let list = List {
        namespace_id,
        filter,
        sort: Some(sort),
        page_size,
        token,
    };
    store.page(&list, &Caller::who_stays())
}

fn pages(store: &dyn VisibilityStore, filter: &Filter, page_size: usize) -> Vec<Record> {
    let mut records = Vec::new();
    let mut token = Vec::new();
    loop {
        let page = store.list(NAMESPACE, filter, page_size, &token).unwrap();
        assert!(page.records.len() <= page_size);
        records.extend(page.records);
        token = page.next_page_token;
        if token.is_empty() {
            return records;
        }
    }
}

/// In another order: by value, runs without one last, whatever the size of the pages.
fn check_sorted(store: &dyn VisibilityStore) {
    fill(store);
    let sorted = |query: &str| {
        let custom = custom_attributes();
        let (filter, sort) = parse_sorted_list(query, &custom, Scope::Workflows).unwrap();
        (filter, sort.unwrap())
    };
    let ids = |query: &str| {
        let (filter, sort) = sorted(query);
        let page = list_sorted(store, NAMESPACE, &filter, &sort, 1000, &[]).unwrap();
        assert!(page.next_page_token.is_empty());
        let ids = page.records.into_iter().map(|record| record.workflow_id);
        ids.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        ids("ORDER BY WorkflowId"),
        "s w1 w2 w3 w4 w5 w6 w7 w8",
        "by a field of every run"
    );
    assert_eq!(
        ids("WorkflowId STARTS_WITH 'w' ORDER BY WorkflowId desc"),
        "w8 w7 w6 w5 w4 w3 w2 w1"
    );
    for query in [
        "ORDER BY StartTime ASC",
        "ORDER BY `CloseTime` DESC",
        "ORDER BY CloseTime",
        "ORDER BY KwA",
        "ORDER BY KwA DESC",
        "KwA IS NOT NULL ORDER BY KwA",
        "ExecutionStatus = 'Running' ORDER BY ExecutionDuration",
        "WorkflowType = 'wfA' ORDER BY HistoryLength DESC",
        "ORDER BY ExecutionStatus",
        "ORDER BY RootWorkflowId",
        "ORDER BY TemporalNamespaceDivision DESC",
    ] {
        let (filter, sort) = sorted(query);
        check_order(store, NAMESPACE, &filter, &sort, query);
    }
    // A token of another order is none.
    let (filter, sort) = sorted("ORDER BY StartTime");
    let page = list_sorted(store, NAMESPACE, &filter, &sort, 2, &[]).unwrap();
    assert!(
        store
            .list(NAMESPACE, &filter, 2, &page.next_page_token)
            .is_err()
    );
    let usual = store.list(NAMESPACE, &filter, 2, &[]).unwrap();
    for token in [&usual.next_page_token[..], b"\x02", b"\x02\x03\xff\xff"] {
        let found = list_sorted(store, NAMESPACE, &filter, &sort, 2, token);
        assert!(found.is_err());
    }
}

/// Parts of strings, which are asked for in the extended language only.
fn check_contains(store: &dyn VisibilityStore) {
    fill(store);
    let custom = custom_attributes();
    for (query, expected) in [
        ("WorkflowId CONTAINS '5'", "w5"),
        ("WorkflowId contains 'W5'", ""),
        ("WorkflowId NOT CONTAINS 'w'", "s"),
        ("NOT WorkflowId CONTAINS 'w'", "s"),
        ("KwA CONTAINS 'l%p'", "w3"),
        ("KwA CONTAINS '' AND WorkflowId CONTAINS '3'", "w3"),
        (
            "RunId CONTAINS 'un-w4' OR RootWorkflowId CONTAINS '8'",
            "w4 w8",
        ),
        (
            "ParentWorkflowId CONTAINS 'x' OR ParentWorkflowId NOT CONTAINS 'x'",
            "",
        ),
    ] {
        let (filter, _) = parse_sorted_list(query, &custom, Scope::Workflows).unwrap();
        let page = store.list(NAMESPACE, &filter, 1000, &[]).unwrap();
        let found: Vec<_> = names(&page).into_iter().collect();
        assert_eq!(found.join(" "), expected, "{query}");
        let counted = parse_extended_count(query, &custom, Scope::Workflows).unwrap();
        assert_eq!(counted.filter, filter);
        let refused = parse_list(query, &custom, Scope::Workflows).unwrap_err();
        assert!(refused.to_string().contains("syntax error"), "{refused}");
        parse_count(query, &custom, Scope::Workflows).unwrap_err();
    }
    for query in [
        "IntA CONTAINS '1'",
        "ExecutionStatus CONTAINS 'Run'",
        "TxtA CONTAINS 'x'",
        "KwA CONTAINS 1",
        "KwA CONTAINS",
        "CONTAINS 'x'",
    ] {
        parse_sorted_list(query, &custom, Scope::Workflows).unwrap_err();
    }
}

/// The runs of a sorted list are those of the usual one, in order, and pages of any size add up to it.
pub(crate) fn check_order(
    store: &dyn VisibilityStore,
    namespace: &str,
    filter: &Filter,
    sort: &Sort,
    what: &str,
) {
    let whole = list_sorted(store, namespace, filter, sort, 1000, &[])
        .unwrap()
        .records;
    let run_ids = |records: &[Record]| -> BTreeSet<String> {
        records.iter().map(|record| record.run_id.clone()).collect()
    };
    let usual = store.list(namespace, filter, 1000, &[]).unwrap().records;
    assert_eq!(run_ids(&whole), run_ids(&usual), "{what}");
    for pair in whole.windows(2) {
        let (one, other) = (sort.key(&pair[0]), sort.key(&pair[1]));
        let in_order = match (&one, &other) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(one), Some(other)) if sort.descending => one >= other,
            (Some(one), Some(other)) => one <= other,
        };
        assert!(in_order, "{one:?} before {other:?}: {what}");
    }
    for page_size in [1, 2, 5] {
        let (mut found, mut token) = (Vec::new(), Vec::new());
        loop {
            let page = list_sorted(store, namespace, filter, sort, page_size, &token).unwrap();
            assert!(page.records.len() <= page_size);
            found.extend(page.records);
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(found, whole, "pages of {page_size}: {what}");
    }
}

fn check_versions_and_deletes(store: &dyn VisibilityStore) {
    fill(store);
    let find = |query: &str| {
        let filter = parse_list(query, &custom_attributes(), Scope::Workflows).unwrap();
        let page = store.list(NAMESPACE, &filter, 1000, &[]).unwrap();
        names(&page)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let count = || {
        let query = parse_count(
            "GROUP BY ExecutionStatus",
            &custom_attributes(),
            Scope::Workflows,
        )
        .unwrap();
        printed(
            &store
                .count(NAMESPACE, &query.filter, query.group_by)
                .unwrap(),
        )
    };

    // w3 closes; what comes late with an older version changes nothing.
    let closed = |attributes| Record {
        version: 7,
        ..run("w3", 3, 2, Some(5), attributes)
    };
    let late = Record {
        version: 6,
        ..run("w3", 3, 1, None, vec![("KwA", keyword("late"))])
    };
    let changes = [
        closed(vec![("KwA", keyword("new")), ("KlA", list(&["x", "y"]))]),
        late,
    ];
    store
        .apply(
            &changes.into_iter().map(Change::Upsert).collect::<Vec<_>>(),
            None,
        )
        .unwrap();
    assert_eq!(find("KwA = 'new'"), "w3");
    assert_eq!(find("KwA = 'late' OR KwA = 'al%p_ha'"), "");
    assert_eq!(find("KlA = 'ünï' OR TxtA = 'cafe' OR IntA = -3"), "");
    assert_eq!(find("KlA = 'x'"), "w3");
    assert_eq!(
        count(),
        "9 Running=3 Completed=2 Failed=1 Canceled=1 Terminated=1 TimedOut=1"
    );

    // The same version may come again, with other content.
    store
        .apply(
            &[Change::Upsert(closed(vec![("KlA", list(&["y", "z"]))]))],
            None,
        )
        .unwrap();
    assert_eq!(find("KwA = 'new' OR KlA = 'x'"), "");
    assert_eq!(find("KlA = 'z'"), "w3");
    assert_eq!(
        count(),
        "9 Running=3 Completed=2 Failed=1 Canceled=1 Terminated=1 TimedOut=1"
    );

    let delete = |run_id: &str| Change::Delete {
        namespace_id: NAMESPACE.to_owned(),
        run_id: run_id.to_owned(),
    };
    store
        .apply(
            &[delete("run-w3"), delete("run-w1"), delete("run-nothing")],
            None,
        )
        .unwrap();
    store.apply(&[delete("run-w3")], None).unwrap();
    assert_eq!(find("KlA = 'z' OR KlA = 'a' OR KwA = 'alpha'"), "");
    assert_eq!(find(""), "s w2 w4 w5 w6 w7 w8");
    assert_eq!(
        count(),
        "7 Running=3 Failed=1 Canceled=1 Terminated=1 TimedOut=1"
    );

    // A run that comes and goes within one set of changes.
    let short = run("short", 60, 1, None, vec![("KwA", keyword("short"))]);
    store
        .apply(&[Change::Upsert(short), delete("run-short")], None)
        .unwrap();
    assert_eq!(find("KwA = 'short' OR WorkflowId = 'short'"), "");
    assert_eq!(
        count(),
        "7 Running=3 Failed=1 Canceled=1 Terminated=1 TimedOut=1"
    );
}

/// What was put in comes out.
fn check_round_trip(store: &dyn VisibilityStore) {
    let child = Record {
        parent: Some(("parent".to_owned(), "parent-run".to_owned())),
        root: Some(("root".to_owned(), "root-run".to_owned())),
        ..run(
            "child",
            70,
            1,
            None,
            vec![
                ("IntA", Value::Int(i64::MIN)),
                ("DblA", Value::Double(-1e300)),
            ],
        )
    };
    let mut stored = dataset::records();
    stored.push(child.clone());
    store
        .apply(
            &stored
                .iter()
                .cloned()
                .map(Change::Upsert)
                .collect::<Vec<_>>(),
            None,
        )
        .unwrap();
    for record in &stored {
        let query = format!(
            "RunId = '{}' AND (TemporalNamespaceDivision IS NULL OR TemporalNamespaceDivision > '')",
            record.run_id
        );
        let filter = parse_list(&query, &custom_attributes(), Scope::Workflows).unwrap();
        assert_eq!(
            store.list(NAMESPACE, &filter, 10, &[]).unwrap().records,
            std::slice::from_ref(record)
        );
    }
    for query in [
        "ParentWorkflowId = 'parent'",
        "RootRunId = 'root-run' AND RootWorkflowId = 'root'",
        "IntA < -3",
    ] {
        let filter = parse_list(query, &custom_attributes(), Scope::Workflows).unwrap();
        assert_eq!(
            store.list(NAMESPACE, &filter, 10, &[]).unwrap().records,
            std::slice::from_ref(&child),
            "{query}"
        );
    }
}

fn check_namespaces(store: &dyn VisibilityStore) {
    fill(store);
    let other = Record {
        namespace_id: "other".to_owned(),
        ..run("w1", 1, 2, Some(1), vec![("KwA", keyword("beta"))])
    };
    store.apply(&[Change::Upsert(other)], None).unwrap();
    for (namespace, query, expected) in [
        ("other", "", 1),
        ("other", "KwA = 'beta'", 1),
        (NAMESPACE, "KwA = 'beta'", 1),
        (NAMESPACE, "", 9),
        ("none", "", 0),
    ] {
        let filter = parse_list(query, &custom_attributes(), Scope::Workflows).unwrap();
        assert_eq!(
            store
                .list(namespace, &filter, 100, &[])
                .unwrap()
                .records
                .len() as u64,
            expected
        );
        assert_eq!(
            store.count(namespace, &filter, None).unwrap().total,
            expected
        );
    }
}

/// An attribute that was removed and defined anew with another type does not find its old values.
fn check_changed_types(store: &dyn VisibilityStore) {
    fill(store);
    let mut custom = custom_attributes();
    custom.insert(
        "KwA".to_owned(),
        steadfast_visibility::SearchAttributeType::Int,
    );
    for query in ["KwA > 0", "KwA = 5", "KwA < 0", "KwA IS NOT NULL"] {
        let filter = parse_list(query, &custom, Scope::Workflows).unwrap();
        assert_eq!(
            store.list(NAMESPACE, &filter, 100, &[]).unwrap().records,
            [],
            "{query}"
        );
    }
}

fn check_odd_strings(store: &dyn VisibilityStore) {
    let odd = [
        "nul\0in the middle",
        "quote\"s 'and' \\",
        &"long ".repeat(20_000),
        "\u{10ffff}end",
        "",
    ];
    let records = odd.iter().enumerate().map(|(number, text)| {
        let attributes = vec![
            ("KwA", keyword(text)),
            ("KlA", list(&[text])),
            ("TxtA", Value::Text((*text).to_owned())),
            ("IntA", Value::Int(number as i64)),
        ];
        run(&format!("odd-{number}"), number as i64, 1, None, attributes)
    });
    store
        .apply(&records.map(Change::Upsert).collect::<Vec<_>>(), None)
        .unwrap();
    for (number, text) in odd.iter().enumerate() {
        let quoted = text
            .replace('\\', "\\\\")
            .replace('\'', "\\'")
            .replace('\0', "\\0");
        for query in [
            format!("KwA = '{quoted}'"),
            format!("KlA = '{quoted}'"),
            format!(
                "IntA = {number} AND KwA = '{quoted}' AND KlA IN ('{quoted}', 'x') AND NOT KlA = 'nul'"
            ),
            format!("IntA = {number} AND KwA STARTS_WITH '{quoted}'"),
        ] {
            let filter = parse_list(&query, &custom_attributes(), Scope::Workflows).unwrap();
            let found = store.list(NAMESPACE, &filter, 100, &[]).unwrap();
            assert_eq!(
                names(&found),
                BTreeSet::from([&format!("odd-{number}")[..]]),
                "{text:?}"
            );
        }
    }
    let find = |query: &str| {
        let filter = parse_list(query, &custom_attributes(), Scope::Workflows).unwrap();
        store
            .list(NAMESPACE, &filter, 100, &[])
            .unwrap()
            .records
            .len()
    };
    assert_eq!(find("KwA STARTS_WITH '\u{10ffff}' AND TxtA = 'END'"), 1);
    assert_eq!(find("KwA > 'nul' AND KwA < 'nul!'"), 1);
    assert_eq!(find("KwA STARTS_WITH 'nul\\0in'"), 1);
    assert_eq!(find("TxtA = 'MIDDLE'"), 1);
    let many: Vec<_> = (2..40_002).map(|number| number.to_string()).collect();
    assert_eq!(find(&format!("IntA IN ({})", many.join(","))), 3);
    assert_eq!(find(&format!("IntA NOT IN ({})", many.join(","))), 2);
    let many: Vec<_> = (0..999).map(|number| format!("IntA = {number}")).collect();
    assert_eq!(find(&many.join(" OR ")), 5);
    assert_eq!(
        find(&format!("{}IntA = 1{}", "(".repeat(199), ")".repeat(199))),
        1
    );
    assert_eq!(find(&format!("{}IntA = 1", "NOT ".repeat(198))), 1);
    let mixed = "(IntA = 77 OR (KwA IS NOT NULL AND ".repeat(90);
    assert_eq!(find(&format!("{mixed}IntA = 1{}", "))".repeat(90))), 1);
}

fn check_marker(store: &dyn VisibilityStore) {
    assert_eq!(store.marker().unwrap(), None);
    fill(store);
    assert_eq!(store.marker().unwrap(), None);
    store.apply(&[], Some(b"one")).unwrap();
    store.apply(&[], None).unwrap();
    assert_eq!(store.marker().unwrap().as_deref(), Some(&b"one"[..]));
}

/// Who has left is not searched for any longer, and who comes next finds all as it was.
fn check_callers(store: &dyn VisibilityStore) {
    let runs = (0..3000).map(|number| run(&format!("r{number}"), number, 1, None, vec![]));
    store
        .apply(&runs.map(Change::Upsert).collect::<Vec<_>>(), None)
        .unwrap();
    // No run has it and no index knows, so that all are looked at.
    let nobodys = parse_list(
        "ParentRunId = 'nobody'",
        &custom_attributes(),
        Scope::Workflows,
    )
    .unwrap();
    let sort = parse_sorted_list(
        "ORDER BY WorkflowId",
        &custom_attributes(),
        Scope::Workflows,
    );
    let sort = sort.unwrap().1;
    let list = |sort| List {
        namespace_id: NAMESPACE,
        filter: &nobodys,
        sort,
        page_size: 10,
        token: &[],
    };
    let (usual, sorted) = (list(None), list(sort.as_ref()));
    type Search<'a> = &'a dyn Fn(&Caller) -> Result<(), StoreError>;
    let searches: [Search<'_>; 4] = [
        &|caller| store.page(&usual, caller).map(drop),
        &|caller| store.page(&sorted, caller).map(drop),
        &|caller| store.tally(NAMESPACE, &nobodys, None, caller).map(drop),
        &|caller| {
            let by = Some(GroupBy::ExecutionStatus);
            store.tally(NAMESPACE, &nobodys, by, caller).map(drop)
        },
    ];
    for search in searches {
        let asked = Arc::new(AtomicUsize::new(0));
        // Asked for the last time when they have left.
        let leaves_after = |stays: usize| {
            asked.store(0, Ordering::Relaxed);
            let asked = asked.clone();
            Caller::until(move || asked.fetch_add(1, Ordering::Relaxed) == stays)
        };
        search(&leaves_after(usize::MAX)).unwrap();
        let whole = asked.load(Ordering::Relaxed);
        assert!(whole > 5, "asked {whole} times");
        for stays in [0, 1, whole / 2] {
            let answer = search(&leaves_after(stays));
            assert!(matches!(answer, Err(StoreError::Abandoned)), "{answer:?}");
            assert_eq!(asked.load(Ordering::Relaxed), stays + 1);
            search(&Caller::who_stays()).unwrap();
        }
    }
}
