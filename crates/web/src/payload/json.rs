//! Lays JSON out over lines, as text: numbers, strings and the order of keys stay as they were sent.
//!
//! A value never passes through a number type, so that a 64-bit integer keeps its last digit.

/// Deeper values are shown as they came.
const DEPTH_MAX: usize = 64;

/// `text` over indented lines; `None` if it is not one JSON value.
pub fn pretty(text: &str) -> Option<String> {
    let mut layout = Layout {
        rest: text,
        out: String::with_capacity(text.len() + text.len() / 4),
    };
    layout.skip_blanks();
    layout.value(0)?;
    layout.skip_blanks();
    layout.rest.is_empty().then_some(layout.out)
}

/// What a JSON string says, if `text` is one.
pub fn string(text: &str) -> Option<String> {
    serde_json::from_str(text.trim()).ok()
}

struct Layout<'a> {
    rest: &'a str,
    out: String,
}

impl Layout<'_> {
    fn value(&mut self, depth: usize) -> Option<()> {
        match self.rest.bytes().next()? {
            b'{' => self.list(depth, '{', '}', true),
            b'[' => self.list(depth, '[', ']', false),
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            _ => ["true", "false", "null"]
                .into_iter()
                .find(|word| self.rest.starts_with(word))
                .and_then(|word| self.copy(word.len())),
        }
    }

    fn list(&mut self, depth: usize, open: char, close: char, keys: bool) -> Option<()> {
        if depth == DEPTH_MAX {
            return None;
        }
        self.copy(1)?;
        self.skip_blanks();
        if self.rest.starts_with(close) {
            return self.copy(1);
        }
        loop {
            self.new_line(depth + 1);
            if keys {
                self.string()?;
                self.skip_blanks();
                self.rest = self.rest.strip_prefix(':')?;
                self.out.push_str(": ");
                self.skip_blanks();
            }
            self.value(depth + 1)?;
            self.skip_blanks();
            if self.rest.starts_with(',') {
                self.copy(1)?;
                self.skip_blanks();
            } else if self.rest.starts_with(close) {
                self.new_line(depth);
                return self.copy(1);
            } else {
                debug_assert!(!self.rest.starts_with(open) || self.out.contains(open));
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        let mut bytes = self.rest.bytes().enumerate();
        if bytes.next()?.1 != b'"' {
            return None;
        }
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => return self.copy(at + 1),
                b'\\' => {
                    bytes.next()?;
                }
                0..0x20 => return None,
                _ => {}
            }
        }
        None
    }

    fn number(&mut self) -> Option<()> {
        let end = self
            .rest
            .find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(self.rest.len());
        let shape = &self.rest[..end];
        // Only the shape is checked; the value is nobody's business here.
        shape.parse::<f64>().ok()?;
        self.copy(end)
    }

    fn copy(&mut self, bytes: usize) -> Option<()> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.out.push_str(taken);
        self.rest = rest;
        Some(())
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn new_line(&mut self, depth: usize) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("  ", depth));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_key_order_stay() {
        let sent = r#"{"z":9223372036854775807,"a":[1.10,-0e5,18446744073709551615],"e":{}}"#;
        let shown = "{\n  \"z\": 9223372036854775807,\n  \"a\": [\n    1.10,\n    -0e5,\n    \
                     18446744073709551615\n  ],\n  \"e\": {}\n}";
        assert_eq!(pretty(sent).as_deref(), Some(shown));
    }

    #[test]
    fn strings_keep_their_escapes() {
        assert_eq!(
            pretty(r#" "\u003cb\"" "#).as_deref(),
            Some(r#""\u003cb\"""#)
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\" 1}",
            "tru",
            "1 2",
            "\"a",
            "--1",
            "\"\n\"",
        ] {
            assert_eq!(pretty(text), None, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_a_deep_stack() {
        assert_eq!(pretty(&"[".repeat(100_000)), None);
    }
}
