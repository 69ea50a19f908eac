//! All randomness of a simulation: numbers that follow from a seed alone.

use std::sync::{Arc, Mutex, PoisonError};

/// A source of numbers. Clones share it; a [`fork`](Dice::fork) goes its own way.
#[derive(Clone, Debug)]
pub(crate) struct Dice(Arc<Mutex<u64>>);

impl Dice {
    /// The source of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed)))
    }

    /// The next number (the generator is SplitMix64).
    pub(crate) fn next(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        let number = self.next();
        ((u128::from(number) * u128::from(end)) >> 64) as u64
    }

    /// A number from `first` to `last`, both included.
    pub(crate) fn between(&self, first: u64, last: u64) -> u64 {
        assert!(first <= last);
        first + self.below(last - first + 1)
    }

    /// True this many times in a thousand.
    pub(crate) fn chance(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    /// A UUID.
    pub(crate) fn uuid(&self) -> String {
        let bytes = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bytes.to_be_bytes())
            .into_uuid()
            .to_string()
    }

    /// A source that goes its own way.
    pub(crate) fn fork(&self) -> Self {
        Self::new(self.next())
    }
}
