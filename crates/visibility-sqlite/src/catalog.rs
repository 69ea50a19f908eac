//! Small numbers for what has long names and is few: namespaces, and the attributes of each.

use std::sync::Arc;

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;
use steadfast_visibility::SearchAttributeType;

/// The numbers, as stored. They are only added to, and published before the rows that use them are committed, so that
/// a reader finds all that it can meet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    namespaces: FxHashMap<String, i64>,
    /// By namespace and name; an attribute that was defined anew has one number per type.
    by_name: FxHashMap<i64, FxHashMap<Arc<str>, Types>>,
    names: FxHashMap<i64, Arc<str>>,
}

/// The numbers of one name.
type Types = Vec<(SearchAttributeType, i64)>;

impl Catalog {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut catalog = Self::default();
        let mut statement = connection.prepare("SELECT id, name FROM namespaces")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            catalog.namespaces.insert(row.get(1)?, row.get(0)?);
        }
        let mut statement = connection.prepare("SELECT id, ns, name, type FROM attributes")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(2)?;
            if let Some(value_type) = SearchAttributeType::from_name(row.get_ref(3)?.as_str()?) {
                catalog.add(row.get(0)?, row.get(1)?, &name, value_type);
            }
        }
        Ok(catalog)
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<i64> {
        self.namespaces.get(name).copied()
    }

    pub(crate) fn attribute(
        &self,
        namespace: i64,
        name: &str,
        value_type: SearchAttributeType,
    ) -> Option<i64> {
        let types = self.by_name.get(&namespace)?.get(name)?;
        types
            .iter()
            .find(|(known, _)| *known == value_type)
            .map(|(_, id)| *id)
    }

    pub(crate) fn attribute_name(&self, id: i64) -> Option<&Arc<str>> {
        self.names.get(&id)
    }

    fn add(&mut self, id: i64, namespace: i64, name: &str, value_type: SearchAttributeType) {
        let name: Arc<str> = name.into();
        let types = self
            .by_name
            .entry(namespace)
            .or_default()
            .entry(name.clone())
            .or_default();
        types.push((value_type, id));
        self.names.insert(id, name);
    }

    pub(crate) fn add_namespace(
        &mut self,
        connection: &Connection,
        name: &str,
    ) -> rusqlite::Result<i64> {
        connection.execute("INSERT INTO namespaces (name) VALUES (?1)", params![name])?;
        let id = connection.last_insert_rowid();
        self.namespaces.insert(name.to_owned(), id);
        Ok(id)
    }

    pub(crate) fn add_attribute(
        &mut self,
        connection: &Connection,
        namespace: i64,
        name: &str,
        value_type: SearchAttributeType,
    ) -> rusqlite::Result<i64> {
        connection.execute(
            "INSERT INTO attributes (ns, name, type) VALUES (?1, ?2, ?3)",
            params![namespace, name, value_type.name()],
        )?;
        let id = connection.last_insert_rowid();
        self.add(id, namespace, name, value_type);
        Ok(id)
    }
}
