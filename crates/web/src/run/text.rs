//! Sentences with times in them, which go on by themselves while the page stands open.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::history::moment::timestamp;
use crate::time::{Clock, Moment};

/// A sentence. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Words(String),
    /// How long since then.
    For(i64),
    /// How long until then.
    Until(i64),
    /// How long ago that was, with the word.
    Ago(i64),
}

impl<T: Into<String>> From<T> for Text {
    fn from(words: T) -> Self {
        Self(vec![Piece::Words(words.into())])
    }
}

impl Text {
    /// ... and these words.
    pub(super) fn words(mut self, words: impl Into<String>) -> Self {
        self.0.push(Piece::Words(words.into()));
        self
    }

    /// ... and how long since then, as in "for 3 s"; a moment, if nobody knows.
    pub(super) fn lasting(mut self, since: Option<i64>) -> Self {
        self.0.push(match since {
            Some(since) => Piece::For(since),
            None => Piece::Words("a moment".to_owned()),
        });
        self
    }

    /// ... and how long until then, as in "in 3 s".
    pub(super) fn left(mut self, until: i64) -> Self {
        self.0.push(Piece::Until(until));
        self
    }

    /// ... and how long ago that was, as in "3 s ago".
    pub(super) fn ago(mut self, at: i64) -> Self {
        self.0.push(Piece::Ago(at));
        self
    }

    /// What it says at that time.
    #[cfg(test)]
    pub(super) fn plain(&self, now: i64) -> String {
        let whole_words = |ms: i64| crate::history::moment::span_words(ms / 1000 * 1000);
        let piece = |piece: &Piece| match piece {
            Piece::Words(words) => words.clone(),
            Piece::For(since) => whole_words(now - since),
            Piece::Until(until) => whole_words(until - now),
            Piece::Ago(at) => format!("{} ago", whole_words(now - at)),
        };
        self.0.iter().map(piece).collect()
    }

    /// As an element of a page.
    pub(super) fn shown(self, clock: &Clock) -> Shown {
        Shown {
            text: self,
            clock: clock.clone(),
        }
    }
}

/// A sentence on a page: `{{ shown }}` in a template.
#[derive(Template)]
#[template(path = "run/text.html")]
pub(super) struct Shown {
    text: Text,
    clock: Clock,
}

impl HtmlSafe for Shown {}

impl Shown {
    fn moment(&self, ms: &i64) -> Option<Moment> {
        self.clock.moment(Some(&timestamp(*ms)))
    }
}
