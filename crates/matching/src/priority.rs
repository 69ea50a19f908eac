//! The five priorities of the protocol.

use std::fmt;

/// How many priorities there are.
pub const PRIORITIES: usize = 5;

/// A priority from 1, served first, to 5.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// The priority served first.
    pub const HIGHEST: Priority = Priority(1);
    /// The priority of a task for which none was asked.
    pub const DEFAULT: Priority = Priority(3);
    /// The priority served last.
    pub const LOWEST: Priority = Priority(5);

    /// Reads the `priority_key` of the protocol: 0 stands for the default and keys above 5 are served as 5. A negative
    /// key, which the frontend refuses, is read as the default.
    pub fn from_key(key: i32) -> Priority {
        match key {
            1..=5 => Priority(key as u8),
            6.. => Priority::LOWEST,
            _ => Priority::DEFAULT,
        }
    }

    /// The key of the protocol, 1 to 5.
    pub fn key(self) -> i32 {
        i32::from(self.0)
    }

    /// All priorities, the one served first in front.
    pub fn all() -> impl Iterator<Item = Priority> {
        (1..=PRIORITIES as u8).map(Priority)
    }

    pub(crate) fn from_index(index: usize) -> Priority {
        assert!(index < PRIORITIES, "one of the priorities");
        Priority(index as u8 + 1)
    }

    /// The place in an array with an element per priority.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0) - 1
    }
}

impl Default for Priority {
    fn default() -> Priority {
        Priority::DEFAULT
    }
}

impl fmt::Debug for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_protocol_are_clamped() {
        let keys = [-1, 0, 1, 3, 5, 6, i32::MAX].map(|key| Priority::from_key(key).key());
        assert_eq!(keys, [3, 3, 1, 3, 5, 5, 5]);
        assert_eq!(
            Priority::all().map(Priority::index).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
    }
}
