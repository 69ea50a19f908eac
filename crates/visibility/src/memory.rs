//! The plainest visibility store: a map of records, searched from end to end. It is the model that others are tested
//! against, and serves simulations.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::attribute::SearchAttributeType;
use crate::filter::{Filter, GroupBy, Sort};
use crate::literal::status_name;
use crate::page::{Position, SortKey, SortedPosition, micros};
use crate::record::{Change, Record};
use crate::store::{Caller, Count, List, Page, StoreError, VisibilityStore};
use crate::value::Value;

/// Runs of all namespaces in memory.
#[derive(Debug, Default)]
pub struct MemoryVisibility {
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// By namespace id and run id.
    records: BTreeMap<(String, String), Record>,
    marker: Option<Vec<u8>>,
}

impl Clone for MemoryVisibility {
    /// A copy, which goes its own way.
    fn clone(&self) -> Self {
        Self {
            state: Mutex::new(self.state().clone()),
        }
    }
}

impl MemoryVisibility {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryVisibility {
    fn usual(&self, list: &List<'_>, caller: &Caller) -> Result<Page, StoreError> {
        let after = match list.token {
            [] => None,
            token => Some(Position::decode(token).ok_or(StoreError::InvalidToken)?),
        };
        let state = self.state();
        let found = state.found(list.namespace_id, list.filter, caller)?;
        let mut found: Vec<_> = found
            .into_iter()
            .map(|record| (Position::of(record), record))
            .filter(|(position, _)| {
                after
                    .as_ref()
                    .is_none_or(|after| after.order(position).is_lt())
            })
            .collect();
        found.sort_by(|(one, _), (other, _)| one.order(other));
        Ok(page(found, list.page_size, Position::encode))
    }

    fn sorted(&self, list: &List<'_>, sort: &Sort, caller: &Caller) -> Result<Page, StoreError> {
        let place = |token: &[u8]| {
            let after = SortedPosition::decode(token)?;
            let tie = Position::decode(&after.tie)?;
            Some((after.key, tie))
        };
        let after = match list.token {
            [] => None,
            token => Some(place(token).ok_or(StoreError::InvalidToken)?),
        };
        let state = self.state();
        let found = state.found(list.namespace_id, list.filter, caller)?;
        let mut found: Vec<_> = found
            .into_iter()
            .map(|record| ((sort.key(record), Position::of(record)), record))
            .filter(|(place, _)| {
                let after = after.as_ref();
                after.is_none_or(|after| sorted(sort, after, place).is_lt())
            })
            .collect();
        found.sort_by(|(one, _), (other, _)| sorted(sort, one, other));
        Ok(page(found, list.page_size, |(key, position)| {
            let (key, tie) = (key.clone(), position.encode());
            SortedPosition { key, tie }.encode()
        }))
    }
}

impl State {
    /// The runs for which the filter holds, in no order of interest.
    fn found(
        &self,
        namespace_id: &str,
        filter: &Filter,
        caller: &Caller,
    ) -> Result<Vec<&Record>, StoreError> {
        let mut found = Vec::new();
        for record in self.records.values() {
            if caller.has_left() {
                return Err(StoreError::Abandoned);
            }
            if record.namespace_id == namespace_id && filter.matches(record) {
                found.push(record);
            }
        }
        Ok(found)
    }
}

/// The first of what was found, and where the next page begins.
fn page<P>(mut found: Vec<(P, &Record)>, page_size: usize, token: impl Fn(&P) -> Vec<u8>) -> Page {
    found.truncate(page_size);
    let next_page_token = match found.last() {
        Some((last, _)) if found.len() == page_size => token(last),
        _ => Vec::new(),
    };
    let records = found.into_iter().map(|(_, record)| record.clone());
    Page {
        records: records.collect(),
        next_page_token,
    }
}

impl VisibilityStore for MemoryVisibility {
    fn apply(&self, changes: &[Change], marker: Option<&[u8]>) -> Result<(), StoreError> {
        let mut state = self.state();
        for change in changes {
            match change {
                Change::Upsert(record) => {
                    let mut record = record.clone();
                    cut_times(&mut record);
                    let key = (record.namespace_id.clone(), record.run_id.clone());
                    let newer = state
                        .records
                        .get(&key)
                        .is_none_or(|stored| stored.version <= record.version);
                    if newer {
                        state.records.insert(key, record);
                    }
                }
                Change::Delete {
                    namespace_id,
                    run_id,
                } => {
                    state
                        .records
                        .remove(&(namespace_id.clone(), run_id.clone()));
                }
            }
        }
        if let Some(marker) = marker {
            state.marker = Some(marker.to_vec());
        }
        Ok(())
    }

    fn marker(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.state().marker.clone())
    }

    fn page(&self, list: &List<'_>, caller: &Caller) -> Result<Page, StoreError> {
        match list.sort {
            None => self.usual(list, caller),
            Some(sort) => self.sorted(list, sort, caller),
        }
    }

    fn tally(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
        caller: &Caller,
    ) -> Result<Count, StoreError> {
        let state = self.state();
        let found = state.found(namespace_id, filter, caller)?;
        let mut groups: BTreeMap<(i32, &str), u64> = BTreeMap::new();
        let mut total = 0;
        for record in found {
            total += 1;
            let group = match group_by {
                Some(GroupBy::ExecutionStatus) => (record.status, status_name(record.status)),
                Some(GroupBy::NamespaceDivision) => (0, record.division().unwrap_or_default()),
                None => continue,
            };
            *groups.entry(group).or_default() += 1;
        }
        let groups = groups
            .into_iter()
            .map(|((_, name), count)| (name.to_owned(), count))
            .collect();
        Ok(Count { total, groups })
    }
}

/// By the value, runs without one last; equal ones in the usual order.
fn sorted(
    sort: &Sort,
    one: &(Option<SortKey>, Position),
    other: &(Option<SortKey>, Position),
) -> Ordering {
    let by_key = match (&one.0, &other.0) {
        (Some(one), Some(other)) => {
            // Values of one attribute are of one type, and numbers that are none are never stored.
            let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
            if sort.descending {
                order.reverse()
            } else {
                order
            }
        }
        (one, other) => one.is_none().cmp(&other.is_none()),
    };
    by_key.then_with(|| one.1.order(&other.1))
}

/// Stores keep microseconds.
fn cut_times(record: &mut Record) {
    for time in [&mut record.start_time, &mut record.execution_time]
        .into_iter()
        .chain(&mut record.close_time)
    {
        *time = micros(*time) * 1000;
    }
}

impl Record {
    /// The `TemporalNamespaceDivision` of the run, if it has one.
    pub fn division(&self) -> Option<&str> {
        self.search_attributes
            .iter()
            .find_map(|(name, value)| match value {
                Value::Keyword(division) if name == crate::attribute::NAMESPACE_DIVISION => {
                    Some(division.as_str())
                }
                _ => None,
            })
    }

    /// The value of a predefined or custom attribute of this type.
    pub fn attribute(&self, name: &str, value_type: SearchAttributeType) -> Option<&Value> {
        let mut attributes = self.search_attributes.iter();
        attributes
            .find(|(set, value)| set == name && value.value_type() == value_type)
            .map(|(_, value)| value)
    }
}
