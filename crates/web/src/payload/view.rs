//! One payload, made readable.

use std::fmt::Write;

use askama::Template;
use askama::filters::HtmlSafe;
use steadfast_protocol::common::{Payload, Payloads};

use super::{hex, json, size};
use crate::history::attributes::reflect;
use crate::history::json::message as to_json;

/// Longer texts are folded.
const FOLD_BYTES: usize = 8 * 1024;
/// So are taller ones.
const FOLD_LINES: usize = 60;
/// What is shown of a text; the rest is in the downloaded history.
const SHOWN_BYTES_MAX: usize = 256 * 1024;
/// What is shown of bytes.
const SHOWN_HEX_BYTES_MAX: usize = 16 * 1024;
/// Larger ones are not decoded by the browser.
const ENCODED_BYTES_MAX: usize = 64 * 1024;
/// How much of a payload stands in one line of a table.
const BRIEF_CHARS: usize = 120;

/// What the content of a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// JSON, laid out over lines.
    Json,
    /// Text that should have been JSON, or whose encoding says nothing of its form.
    Text,
    /// Nothing was sent.
    Null,
    /// Bytes, as hex.
    Bytes,
}

/// A payload, made readable: `{{ payload }}` in a template.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(path = "run/payload.html")]
pub struct PayloadView {
    /// As its metadata names it; `none` if it does not.
    pub encoding: String,
    /// The protobuf message it holds, if its metadata names one.
    pub message_type: String,
    /// Bytes of its data.
    pub bytes: usize,
    /// What it is.
    pub shape: Shape,
    /// What is shown.
    pub text: String,
    /// Why it is not shown otherwise, or not whole.
    pub remark: String,
    /// Shown closed at first.
    pub folded: bool,
    /// Metadata beyond encoding and message type.
    pub metadata: Vec<(String, String)>,
    /// What a remote codec in the browser is asked with, as JSON; empty if there is none.
    pub encoded: String,
}

impl HtmlSafe for PayloadView {}

impl PayloadView {
    /// Of one payload.
    pub fn new(payload: &Payload) -> Self {
        let metadata = |key: &str| {
            let value = payload.metadata.get(key);
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let encoding = metadata("encoding").unwrap_or_else(|| "none".to_owned());
        let mut view = Self {
            message_type: metadata("messageType").unwrap_or_default(),
            bytes: payload.data.len(),
            shape: Shape::Null,
            text: String::new(),
            remark: String::new(),
            folded: false,
            metadata: other_metadata(payload),
            encoded: String::new(),
            encoding,
        };
        view.fill(&payload.data);
        if !view.remark.is_empty() && payload.data.len() <= ENCODED_BYTES_MAX {
            view.encoded = encoded(payload);
        }
        view.folded = view.text.len() > FOLD_BYTES || view.text.lines().count() > FOLD_LINES;
        view
    }

    /// Of each payload of a list.
    pub fn list(payloads: Option<&Payloads>) -> Vec<Self> {
        payloads.map_or_else(Vec::new, |list| {
            list.payloads.iter().map(Self::new).collect()
        })
    }

    /// Its size in words.
    pub fn size(&self) -> String {
        size(self.bytes)
    }

    /// Its content in one short line.
    pub fn brief(&self) -> String {
        match self.shape {
            Shape::Null => "null".to_owned(),
            Shape::Bytes => format!("{} of {}", self.size(), self.encoding),
            Shape::Json | Shape::Text => {
                let words = self.text.split_whitespace();
                let mut brief = String::new();
                for word in words {
                    if !brief.is_empty() {
                        brief.push(' ');
                    }
                    brief.push_str(word);
                    if brief.len() > BRIEF_CHARS {
                        break;
                    }
                }
                shorten(&brief, BRIEF_CHARS)
            }
        }
    }

    /// Class of the style sheet for its content.
    pub fn class(&self) -> &'static str {
        match self.shape {
            Shape::Json => "payload-json",
            Shape::Text => "payload-text",
            Shape::Null => "payload-null",
            Shape::Bytes => "payload-bytes",
        }
    }

    fn fill(&mut self, data: &[u8]) {
        match self.encoding.as_str() {
            "binary/null" if data.is_empty() => "null".clone_into(&mut self.text),
            "json/plain" | "json/protobuf" => self.fill_json(data),
            "binary/plain" | "binary/protobuf" => self.fill_bytes(data),
            "binary/null" => {
                "binary/null, yet it has content".clone_into(&mut self.remark);
                self.fill_bytes(data);
            }
            "none" => {
                "it names no encoding".clone_into(&mut self.remark);
                self.fill_unknown(data);
            }
            "binary/encrypted" => {
                "encrypted: a codec can read it".clone_into(&mut self.remark);
                self.fill_bytes(data);
            }
            _ => {
                "an encoding this page does not know".clone_into(&mut self.remark);
                self.fill_unknown(data);
            }
        }
    }

    fn fill_json(&mut self, data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else {
            "not UTF-8, so not JSON".clone_into(&mut self.remark);
            return self.fill_bytes(data);
        };
        if data.len() > SHOWN_BYTES_MAX {
            return self.fill_text(text);
        }
        match json::pretty(text) {
            Some(pretty) => {
                self.shape = Shape::Json;
                self.text = pretty;
            }
            None => {
                "not JSON, shown as it came".clone_into(&mut self.remark);
                self.fill_text(text);
            }
        }
    }

    fn fill_unknown(&mut self, data: &[u8]) {
        match std::str::from_utf8(data) {
            Ok(text) if !text.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
                self.fill_text(text);
            }
            _ => self.fill_bytes(data),
        }
    }

    fn fill_text(&mut self, text: &str) {
        self.shape = Shape::Text;
        let shown = text.floor_char_boundary(SHOWN_BYTES_MAX);
        text[..shown].clone_into(&mut self.text);
        self.remark_rest(shown, text.len());
    }

    fn fill_bytes(&mut self, data: &[u8]) {
        self.shape = Shape::Bytes;
        let shown = data.len().min(SHOWN_HEX_BYTES_MAX);
        self.text = hex::dump(&data[..shown]);
        self.remark_rest(shown, data.len());
    }

    fn remark_rest(&mut self, shown: usize, all: usize) {
        if shown < all {
            let separator = if self.remark.is_empty() { "" } else { "; " };
            let _ = write!(
                self.remark,
                "{separator}the first {} of {}, the rest is in the downloaded history",
                size(shown),
                size(all)
            );
        }
    }
}

/// As codecs are asked.
fn encoded(payload: &Payload) -> String {
    let message = reflect("temporal.api.common.v1.Payload", payload);
    let text = message.and_then(|message| to_json(&message));
    text.and_then(|text| String::from_utf8(text).ok())
        .unwrap_or_default()
}

fn other_metadata(payload: &Payload) -> Vec<(String, String)> {
    let others = payload.metadata.iter();
    others
        .filter(|(key, _)| !matches!(key.as_str(), "encoding" | "messageType"))
        .map(|(key, value)| {
            let text = match std::str::from_utf8(value) {
                Ok(text) => shorten(text, BRIEF_CHARS),
                Err(_) => size(value.len()),
            };
            (key.clone(), text)
        })
        .collect()
}

/// `text`, cut to `chars` characters with an ellipsis.
pub(crate) fn shorten(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(encoding: &str, data: &[u8]) -> Payload {
        Payload {
            metadata: [(
                "encoding".to_owned(),
                bytes::Bytes::copy_from_slice(encoding.as_bytes()),
            )]
            .into(),
            data: bytes::Bytes::copy_from_slice(data),
            ..Default::default()
        }
    }

    fn check(encoding: &str, data: &[u8], shape: Shape, text: &str, remark: &str) {
        let view = PayloadView::new(&payload(encoding, data));
        assert_eq!(view.shape, shape, "{encoding}");
        assert_eq!(view.text, text, "{encoding}");
        assert_eq!(view.remark, remark, "{encoding}");
        assert_eq!(view.bytes, data.len());
    }

    #[test]
    fn every_encoding_honestly() {
        let big = b"{\"b\":9007199254740993,\"a\":1}";
        let shown = "{\n  \"b\": 9007199254740993,\n  \"a\": 1\n}";
        check("json/plain", big, Shape::Json, shown, "");
        check("json/protobuf", b"\"x\"", Shape::Json, "\"x\"", "");
        let broken = "not JSON, shown as it came";
        check("json/plain", b"{oops", Shape::Text, "{oops", broken);
        check("binary/null", b"", Shape::Null, "null", "");
        let dump = "00000000  00 ff                                            ..";
        check("binary/plain", b"\x00\xff", Shape::Bytes, dump, "");
        let sealed = "encrypted: a codec can read it";
        check("binary/encrypted", b"\x00\xff", Shape::Bytes, dump, sealed);
        let unknown = "an encoding this page does not know";
        check("text/yaml", b"a: 1\n", Shape::Text, "a: 1\n", unknown);
        check("cbor", b"\x00\xff", Shape::Bytes, dump, unknown);
    }

    #[test]
    fn a_payload_without_metadata() {
        let view = PayloadView::new(&Payload {
            data: "hi".into(),
            ..Default::default()
        });
        assert_eq!((view.encoding.as_str(), view.text.as_str()), ("none", "hi"));
    }

    #[test]
    fn long_ones_are_folded_and_cut_at_a_character() {
        let text = "é".repeat(SHOWN_BYTES_MAX);
        let view = PayloadView::new(&payload("text/plain", text.as_bytes()));
        assert!(view.folded);
        assert!(view.text.len() <= SHOWN_BYTES_MAX);
        assert!(view.remark.contains("of 512.0 KB"), "{}", view.remark);
    }

    #[test]
    fn brief_is_one_line() {
        let view = PayloadView::new(&payload("json/plain", b"{\"a\":[1,2]}"));
        assert_eq!(view.brief(), "{ \"a\": [ 1, 2 ] }");
    }
}
