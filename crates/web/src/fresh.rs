//! What is new in a list or a history while it is looked at: how much it is, and a way to see it. Nothing that is being
//! read moves for it.

use askama::Template;
use askama::filters::HtmlSafe;

/// How many new rows wait to be asked for.
#[derive(Template)]
#[template(path = "part/fresh.html")]
pub(crate) struct Fresh {
    /// The id of the element.
    pub(crate) element: &'static str,
    /// How many; empty for none.
    pub(crate) count: String,
    /// The page with them.
    pub(crate) url: String,
    /// The stream of the page with them, where they can be worked into the one that is there; else empty.
    pub(crate) stream: String,
    /// What is said while there are none: how the rows are sorted.
    pub(crate) order: String,
}

impl HtmlSafe for Fresh {}
