//! Random runs, changes and filters: the store must answer as the one in memory, which evaluates filters record by
//! record.

#![allow(clippy::unwrap_used, reason = "a test")]

#[allow(
    dead_code,
    reason = "the suite of all stores, of which one check is used here"
)]
#[path = "../../visibility/tests/common/mod.rs"]
mod common;

use steadfast_visibility::{
    Attribute, Change, Comparison, Filter, GroupBy, MemoryVisibility, Predicate, Record,
    SearchAttributeType, Sort, SystemField, Value, VisibilityStore,
};
use steadfast_visibility_sqlite::SqliteVisibility;

/// A small generator of numbers (xorshift), so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

const NAMESPACES: [&str; 2] = ["one", "two"];
const WORDS: [&str; 8] = ["", "a", "ab", "abc", "b", "Öl", "quick fox", "\u{10ffff}"];
const NUMBERS: [i64; 8] = [i64::MIN, -15, -1, 0, 1, 15, 1500, i64::MAX];
const DOUBLES: [f64; 7] = [-1e300, -1.5, 0.0, 1.0, 1.5, 15.0, 9.3e18];
const TYPES: [SearchAttributeType; 7] = [
    SearchAttributeType::Text,
    SearchAttributeType::Keyword,
    SearchAttributeType::Int,
    SearchAttributeType::Double,
    SearchAttributeType::Bool,
    SearchAttributeType::Datetime,
    SearchAttributeType::KeywordList,
];

fn value(random: &mut Random, value_type: SearchAttributeType) -> Value {
    let mut words = || random.pick(&WORDS).to_owned();
    match value_type {
        SearchAttributeType::Text => Value::Text(format!("{} {}-{}", words(), words(), words())),
        SearchAttributeType::Keyword => Value::Keyword(words()),
        SearchAttributeType::KeywordList => Value::KeywordList(vec![words(), words()]),
        SearchAttributeType::Int => Value::Int(random.pick(&NUMBERS)),
        SearchAttributeType::Double => Value::Double(random.pick(&DOUBLES)),
        SearchAttributeType::Bool => Value::Bool(random.one_in(2)),
        SearchAttributeType::Datetime => Value::Datetime(random.pick(&NUMBERS)),
    }
}

fn record(random: &mut Random) -> Record {
    let number = random.below(60);
    let open = random.one_in(3);
    // Few times, so that many are equal; the type and the start of a run mostly stay the same.
    let start = i64::try_from(number % 7).unwrap() * 1000;
    let fact = |random: &mut Random| (!open).then(|| random.pick(&NUMBERS));
    let mut search_attributes = Vec::new();
    for (name, value_type) in [
        ("T", SearchAttributeType::Text),
        ("K", SearchAttributeType::Keyword),
        ("I", SearchAttributeType::Int),
        ("D", SearchAttributeType::Double),
        ("B", SearchAttributeType::Bool),
        ("Dt", SearchAttributeType::Datetime),
        ("L", SearchAttributeType::KeywordList),
    ] {
        if random.one_in(2) {
            let value_type = if random.one_in(20) {
                random.pick(&TYPES)
            } else {
                value_type
            };
            search_attributes.push((name.to_owned(), value(random, value_type)));
        }
    }
    if random.one_in(5) {
        let division = value(random, SearchAttributeType::Keyword);
        search_attributes.insert(0, ("TemporalNamespaceDivision".to_owned(), division));
    }
    let ids = |random: &mut Random| {
        random.one_in(4).then(|| {
            (
                random.pick(&WORDS).to_owned(),
                random.pick(&WORDS).to_owned(),
            )
        })
    };
    Record {
        namespace_id: random.pick(&NAMESPACES).to_owned(),
        workflow_id: WORDS[number % WORDS.len()].to_owned(),
        run_id: format!("run-{number}"),
        workflow_type: if random.one_in(10) {
            "abc"
        } else {
            WORDS[number % 3]
        }
        .to_owned(),
        task_queue: random.pick(&WORDS).to_owned(),
        status: if open {
            random.pick(&[1, 8])
        } else {
            2 + i32::try_from(random.below(6)).unwrap()
        },
        start_time: start,
        execution_time: start + 2000,
        close_time: (!open).then(|| start + 1000 * i64::try_from(random.below(4)).unwrap()),
        execution_duration: fact(random),
        history_length: fact(random),
        history_size_bytes: fact(random),
        state_transition_count: fact(random),
        parent: ids(random),
        root: ids(random),
        memo: random.pick(&WORDS).into(),
        search_attributes,
        version: random.below(6) as u64,
    }
}

fn change(random: &mut Random) -> Change {
    let record = record(random);
    if random.one_in(6) {
        Change::Delete {
            namespace_id: record.namespace_id,
            run_id: record.run_id,
        }
    } else {
        Change::Upsert(record)
    }
}

fn attribute(random: &mut Random) -> Attribute {
    let named = |name: &str, value_type| Attribute::Named(name.to_owned(), value_type);
    match random.below(9) {
        0 => named("T", SearchAttributeType::Text),
        1 => named("K", SearchAttributeType::Keyword),
        2 => named("I", SearchAttributeType::Int),
        3 => named("D", SearchAttributeType::Double),
        4 => named("L", SearchAttributeType::KeywordList),
        5 => named(
            random.pick(&["B", "Dt", "K", "Unused"]),
            random.pick(&TYPES),
        ),
        6 => Attribute::namespace_division(),
        _ => Attribute::System(random.pick(&SystemField::ALL)),
    }
}

/// A scalar of the kind that the language produces for this type.
fn operand(random: &mut Random, attribute: &Attribute) -> Value {
    match (attribute, attribute.value_type()) {
        (Attribute::System(SystemField::ExecutionStatus), _) => {
            Value::Int(i64::try_from(random.below(10)).unwrap())
        }
        (
            Attribute::System(
                SystemField::StartTime | SystemField::CloseTime | SystemField::ExecutionTime,
            ),
            _,
        ) => Value::Datetime(i64::try_from(random.below(10)).unwrap()),
        (
            _,
            SearchAttributeType::Keyword
            | SearchAttributeType::Text
            | SearchAttributeType::KeywordList,
        ) => value(random, SearchAttributeType::Keyword),
        (_, SearchAttributeType::Bool) => Value::Int(random.below(2) as i64),
        (_, SearchAttributeType::Datetime) => value(random, SearchAttributeType::Datetime),
        _ if random.one_in(2) => value(random, SearchAttributeType::Double),
        _ => value(random, SearchAttributeType::Int),
    }
}

fn predicate(random: &mut Random, attribute: &Attribute) -> Predicate {
    if random.one_in(10) {
        return random.pick(&[Predicate::IsNull, Predicate::In(Vec::new())]);
    }
    let is_status = *attribute == Attribute::System(SystemField::ExecutionStatus);
    let count = if random.one_in(10) {
        30
    } else {
        random.below(4)
    };
    match attribute.value_type() {
        SearchAttributeType::Text => {
            let phrase = |random: &mut Random| steadfast_visibility::tokens(random.pick(&WORDS));
            let phrases = (0..count)
                .map(|_| phrase(random))
                .filter(|phrase| !phrase.is_empty());
            Predicate::ContainsPhrase(phrases.collect())
        }
        SearchAttributeType::KeywordList => {
            Predicate::In((0..count).map(|_| operand(random, attribute)).collect())
        }
        value_type => match random.below(6) {
            0 => Predicate::In((0..count).map(|_| operand(random, attribute)).collect()),
            1 => Predicate::Between(operand(random, attribute), operand(random, attribute)),
            2 if value_type == SearchAttributeType::Keyword && !is_status => {
                Predicate::StartsWith(random.pick(&WORDS).to_owned())
            }
            3 if value_type == SearchAttributeType::Keyword && !is_status => {
                let word: String = random.pick(&WORDS).chars().skip(1).take(2).collect();
                Predicate::Contains(word)
            }
            2 if value_type == SearchAttributeType::Int => {
                Predicate::StartsWith(random.pick(&["", "1", "-1", "15", "x"]).to_owned())
            }
            _ => {
                let comparison = random.pick(&[
                    Comparison::Equal,
                    Comparison::Equal,
                    Comparison::NotEqual,
                    Comparison::Less,
                    Comparison::LessOrEqual,
                    Comparison::Greater,
                    Comparison::GreaterOrEqual,
                ]);
                Predicate::Compare(comparison, operand(random, attribute))
            }
        },
    }
}

fn filter(random: &mut Random, depth: usize) -> Filter {
    let many = |random: &mut Random| {
        (0..random.below(5))
            .map(|_| filter(random, depth + 1))
            .collect()
    };
    match random.below(if depth > 3 { 1 } else { 6 }) {
        1 | 2 => Filter::And(many(random)),
        3 => Filter::Or(many(random)),
        4 => Filter::Not(Box::new(filter(random, depth + 1))),
        _ => {
            let attribute = attribute(random);
            let predicate = predicate(random, &attribute);
            Filter::Test(attribute, predicate)
        }
    }
}

#[test]
fn answers_as_the_model_does() {
    for seed in 1_u64..=3 {
        let random = &mut Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let model = MemoryVisibility::new();
        let store = SqliteVisibility::open_in_memory().unwrap();
        for _ in 0..12 {
            let changes: Vec<_> = (0..40).map(|_| change(random)).collect();
            model.apply(&changes, None).unwrap();
            store.apply(&changes, None).unwrap();
            for _ in 0..50 {
                let filter = filter(random, 0);
                let namespace = random.pick(&NAMESPACES);
                compare(random, &model, &store, namespace, &filter);
            }
        }
    }
}

fn compare(
    random: &mut Random,
    model: &MemoryVisibility,
    store: &SqliteVisibility,
    namespace: &str,
    filter: &Filter,
) {
    let page_size = random.pick(&[1, 3, 1000]);
    let mut token = Vec::new();
    for page in 0..8 {
        let expected = model.list(namespace, filter, page_size, &token).unwrap();
        let found = store.list(namespace, filter, page_size, &token).unwrap();
        assert_eq!(found, expected, "page {page} of {filter:?}");
        token = expected.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let attribute = attribute(random);
    let sortable = !matches!(
        attribute.value_type(),
        SearchAttributeType::Text | SearchAttributeType::KeywordList
    );
    if sortable {
        let sort = Sort {
            attribute,
            descending: random.one_in(2),
        };
        common::check_order(
            store,
            namespace,
            filter,
            &sort,
            &format!("{sort:?} {filter:?}"),
        );
    }
    for group_by in [
        None,
        Some(GroupBy::ExecutionStatus),
        Some(GroupBy::NamespaceDivision),
    ] {
        let expected = model.count(namespace, filter, group_by).unwrap();
        assert_eq!(
            store.count(namespace, filter, group_by).unwrap(),
            expected,
            "{group_by:?} of {filter:?}"
        );
    }
}
