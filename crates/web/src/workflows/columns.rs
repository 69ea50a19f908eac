//! The columns of the list: those of the system and those of the namespace, chosen in the URL.

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
}
