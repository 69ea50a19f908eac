//! The timeline of a run: a pure function from steps to marks, whatever their number.
//!
//! `scale` maps times to pixels and shrinks idle stretches; `rows`, `lanes` and `columns` are the three levels of
//! detail; `layout` chooses among them. What draws the marks is a template.

mod columns;
mod lanes;
mod layout;
mod mark;
mod rows;
mod scale;
#[cfg(test)]
mod tests;

pub use layout::{View, layout};
pub use mark::{Lane, Level, Mark, Overview, Shade, Timeline};
pub use scale::{Gap, Scale, Tick};
