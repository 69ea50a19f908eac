//! The simulated visibility store: the reference one, behind faults.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use steadfast_visibility::{
    Caller, Change, Count, Filter, GroupBy, List, MemoryVisibility, Page, StoreError,
    VisibilityStore,
};

use crate::dice::Dice;
use crate::marks::Marks;
use crate::options::Options;
use crate::planted::Planted;

/// A visibility store whose writes may fail.
pub(crate) struct SimVisibility {
    inner: MemoryVisibility,
    /// As it was some time ago.
    copy: Mutex<MemoryVisibility>,
    dice: Dice,
    options: Options,
    faulty: Arc<AtomicBool>,
    marks: Marks,
}

impl SimVisibility {
    /// An empty one; writes fail while `faulty` says so.
    pub(crate) fn new(dice: Dice, options: Options, faulty: Arc<AtomicBool>, marks: Marks) -> Self {
        Self {
            inner: MemoryVisibility::new(),
            copy: Mutex::default(),
            dice,
            options,
            faulty,
            marks,
        }
    }

    /// What a crash of the machine left, or somebody put in its place: as it was some time ago.
    pub(crate) fn set_back(&self, dice: Dice) -> Self {
        let copy = self.copy.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            inner: copy.clone(),
            copy: Mutex::new(copy.clone()),
            dice,
            options: self.options.clone(),
            faulty: self.faulty.clone(),
            marks: self.marks.clone(),
        }
    }
}

impl VisibilityStore for SimVisibility {
    fn apply(&self, changes: &[Change], marker: Option<&[u8]>) -> Result<(), StoreError> {
        if self.options.lose_visibility > 0 && self.dice.chance(100) {
            let copy = self.inner.clone();
            *self.copy.lock().unwrap_or_else(PoisonError::into_inner) = copy;
        }
        let fails =
            self.faulty.load(Ordering::Relaxed) && self.dice.chance(self.options.fail_visibility);
        if fails {
            self.marks.add("visibility: write failed");
            if self.dice.chance(500) {
                self.inner.apply(changes, marker)?;
            }
            return Err(StoreError::Failed("simulated".to_owned()));
        }
        if self.options.planted == Some(Planted::LostRecord) {
            let mut kept = changes.to_vec();
            kept.retain(|_| !self.dice.chance(30));
            return self.inner.apply(&kept, marker);
        }
        self.inner.apply(changes, marker)
    }

    fn marker(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.marker()
    }

    fn page(&self, list: &List<'_>, caller: &Caller) -> Result<Page, StoreError> {
        self.inner.page(list, caller)
    }

    fn tally(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
        caller: &Caller,
    ) -> Result<Count, StoreError> {
        self.inner.tally(namespace_id, filter, group_by, caller)
    }
}
