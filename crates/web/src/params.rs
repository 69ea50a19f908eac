//! Parameters as in a query string or a form: ordered names and values, a name as often as one likes.

use std::fmt::Write;

/// How many parameters are read; what follows is left out.
const PARAMETERS_MAX: usize = 2000;

/// Ordered names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=1&b=2`. What is not UTF-8 is replaced, so there is nothing that cannot be read.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.take(PARAMETERS_MAX).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// The first value of that name; an empty one is as good as none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(other, _)| other == name);
        let found = values.find(|(_, value)| !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    /// The first value of that name, or the empty string.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// The first value of that name as a number.
    pub fn number<N: std::str::FromStr>(&self, name: &str) -> Option<N> {
        self.get(name)?.trim().parse().ok()
    }

    /// Whether the name is there with a value other than `0` and `false`, as a box that is ticked.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| !matches!(value, "0" | "false"))
    }

    /// All values of that name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let name = name.to_owned();
        let wanted = self.0.iter().filter(move |(other, _)| *other == name);
        wanted.map(|(_, value)| value.as_str())
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// With this value in place of all that the name had; an empty value takes the name out.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut params = self.without(name);
        if !value.is_empty() {
            params.push(name, value);
        }
        params
    }

    /// Without that name.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let kept = self.0.iter().filter(|(other, _)| other != name);
        Self(kept.cloned().collect())
    }

    /// Adds a value.
    pub fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// As in a URL, with the `?`; empty if there is nothing.
    pub fn query(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            text.push(if text.is_empty() { '?' } else { '&' });
            encode(name, &mut text);
            text.push('=');
            encode(value, &mut text);
        }
        text
    }
}

/// Percent-decodes; `+` is a blank.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |at: usize| {
            bytes
                .get(at)
                .and_then(|&digit| (digit as char).to_digit(16))
        };
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Percent-encodes all but the unreserved characters, which is right in a path segment as well as in a query.
pub(crate) fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                into.push(byte as char);
            }
            _ => {
                let _ = write!(into, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut params = Params::default();
        for (name, value) in [
            ("query", "`A` = \"x & y\" AND b != '+'"),
            ("c", "ünï/%2F"),
            ("c", ""),
            ("=&", "?#"),
        ] {
            params.push(name, value);
        }
        let query = params.query();
        assert_eq!(Params::parse(&query[1..]), params, "{query}");
    }

    #[test]
    fn odd_text_is_read() {
        let params = Params::parse("&a=1+2&b&%zz=%&c=%ff&a=3");
        assert_eq!(params.all("a").collect::<Vec<_>>(), ["1 2", "3"]);
        assert_eq!(params.get("b"), None);
        assert_eq!(params.get("%zz"), Some("%"));
        assert_eq!(params.get("c"), Some("\u{fffd}"));
        assert_eq!(params.with("a", "").get("a"), None);
    }
}
