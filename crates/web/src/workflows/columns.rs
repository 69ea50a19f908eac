//! The columns of the list: those of the system and those of the namespace, chosen in the URL.

use super::query::{Order, Query};
use crate::namespaces::Attribute;
use crate::params::Params;

/// Columns that are there unless others are chosen.
const DEFAULT: [&str; 6] = ["Status", "Id", "Type", "Started", "Duration", "Queue"];

/// All columns of the system with their headings.
pub(crate) const SYSTEM: [(&str, &str); 13] = [
    ("Status", "Status"),
    ("Id", "Workflow"),
    ("Run", "Run"),
    ("Type", "Type"),
    ("Started", "Started"),
    ("Closed", "Closed"),
    ("Duration", "Duration"),
    ("Queue", "Task queue"),
    ("Parent", "Parent"),
    ("Root", "Root"),
    ("Events", "Events"),
    ("Size", "History size"),
    ("Begins", "Begins"),
];

/// The attributes that the columns of the system are sorted by, and whether the greatest value comes first at first.
const SORTED_BY: [(&str, &str, bool); 13] = [
    ("Status", "ExecutionStatus", false),
    ("Id", "WorkflowId", false),
    ("Run", "RunId", false),
    ("Type", "WorkflowType", false),
    ("Started", "StartTime", true),
    ("Closed", "CloseTime", true),
    ("Duration", "ExecutionDuration", true),
    ("Queue", "TaskQueue", false),
    ("Parent", "ParentWorkflowId", false),
    ("Root", "RootWorkflowId", false),
    ("Events", "HistoryLength", true),
    ("Size", "HistorySizeBytes", true),
    ("Begins", "ExecutionTime", true),
];

/// The most columns at once.
const COLUMNS_MAX: usize = 30;

/// A column of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name in the URL; that of a search attribute where it is none of the system's.
    pub(crate) name: String,
    pub(crate) heading: String,
    pub(crate) chosen: bool,
}

/// The chosen columns in their order. The id is always one of them: it is the way to the run.
pub(crate) fn chosen(params: &Params) -> Vec<Column> {
    let mut names: Vec<String> = params.all("col").map(str::to_owned).collect();
    names.retain(|name| !name.is_empty());
    names.truncate(COLUMNS_MAX);
    if names.is_empty() {
        names = DEFAULT.map(str::to_owned).to_vec();
    }
    if !names.iter().any(|name| name == "Id") {
        names.insert(0, "Id".to_owned());
    }
    names.into_iter().map(|name| column(name, true)).collect()
}

/// The chosen columns, then the others that there are.
pub(crate) fn all(params: &Params, attributes: &[String]) -> Vec<Column> {
    let mut columns = chosen(params);
    let system = SYSTEM.iter().map(|(name, _)| (*name).to_owned());
    for name in system.chain(attributes.iter().cloned()) {
        if !columns.iter().any(|column| column.name == name) {
            columns.push(column(name, false));
        }
    }
    columns
}

/// A heading of the table: a click sorts, another one turns the order round, a third one goes back to the usual order.
pub(crate) struct Heading {
    pub(crate) text: String,
    /// The list in the order that a click makes; none where there is no such order.
    pub(crate) url: Option<String>,
    /// As `aria-sort` has it; empty if the list is sorted otherwise.
    pub(crate) sorted: &'static str,
    /// Class of the style sheet: how wide the column is. Empty for a part of what the others leave.
    pub(crate) class: &'static str,
}

impl Heading {
    /// `link` makes the URL of a query.
    pub(crate) fn of(
        column: &Column,
        query: &Query,
        attributes: &[Attribute],
        link: impl Fn(&Query) -> String,
    ) -> Self {
        let system = SORTED_BY.iter().find(|(name, ..)| *name == column.name);
        let by = match system {
            Some((_, by, greatest_first)) => Some(((*by).to_owned(), *greatest_first)),
            None => attributes
                .iter()
                .find(|attribute| attribute.name == column.name)
                .filter(|attribute| !matches!(attribute.kind, "Text" | "KeywordList"))
                .map(|attribute| (attribute.name.clone(), false)),
        };
        let (mut sorted, mut url) = ("", None);
        if let Some((by, greatest_first)) = by {
            let order = |descending| {
                Some(Order {
                    by: by.clone(),
                    descending,
                })
            };
            let next = match query.order().filter(|order| order.by == by) {
                Some(Order { descending, .. }) => {
                    sorted = if *descending {
                        "descending"
                    } else {
                        "ascending"
                    };
                    match *descending == greatest_first {
                        true => order(!greatest_first),
                        false => None,
                    }
                }
                None => order(greatest_first),
            };
            url = Some(link(&query.sorted(next)));
        }
        Self {
            text: column.heading.clone(),
            url,
            sorted,
            class: match column.name.as_str() {
                "Status" => "status-cell",
                "Id" => "lead",
                "Started" | "Closed" | "Begins" | "Duration" => "time",
                _ => "",
            },
        }
    }
}

fn column(name: String, chosen: bool) -> Column {
    let system = SYSTEM.iter().find(|(other, _)| *other == name);
    let heading = system.map_or_else(|| name.clone(), |(_, heading)| (*heading).to_owned());
    Column {
        name,
        heading,
        chosen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_always_there() {
        let names = |text: &str| -> Vec<String> {
            let columns = chosen(&Params::parse(text));
            columns.into_iter().map(|column| column.name).collect()
        };
        assert_eq!(names(""), DEFAULT);
        assert_eq!(names("col=Type&col=KwA"), ["Id", "Type", "KwA"]);
        assert_eq!(names("col=Type&col=Id"), ["Type", "Id"]);
        let all = all(
            &Params::parse("col=KwA"),
            &["KwA".to_owned(), "KwB".to_owned()],
        );
        assert_eq!(all.iter().filter(|column| column.chosen).count(), 2);
        assert_eq!(all.last().unwrap().name, "KwB");
    }

    #[test]
    fn a_heading_sorts_turns_round_and_goes_back() {
        let attributes =
            [("Tags", "KeywordList"), ("Amount", "Int")].map(|(name, kind)| Attribute {
                name: name.to_owned(),
                kind,
            });
        let heading = |name: &str, query: &str| {
            let column = column(name.to_owned(), true);
            Heading::of(&column, &Query::parse(query), &attributes, Query::text)
        };
        let mut query = "A = 1".to_owned();
        for (sorted, next) in [
            ("", "A = 1 ORDER BY StartTime DESC"),
            ("descending", "A = 1 ORDER BY StartTime"),
            ("ascending", "A = 1"),
        ] {
            let started = heading("Started", &query);
            assert_eq!(started.sorted, sorted);
            assert_eq!(heading("Id", &query).sorted, "");
            query = started.url.unwrap();
            assert_eq!(query, next);
        }
        assert_eq!(heading("Amount", "").url.unwrap(), "ORDER BY Amount");
        assert!(heading("Tags", "").url.is_none() && heading("Unknown", "").url.is_none());
    }
}
