//! The history of a run, in windows.
