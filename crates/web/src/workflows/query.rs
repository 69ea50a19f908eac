//! The raw query and the filter chips, which are the same thing: a chip is a part of the query between two ANDs.

/// A query as the parts that must all hold, each in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    parts: Vec<String>,
}

impl Query {
    /// Reads a query. What has an OR on its outermost level is one part.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = split(text).unwrap_or_else(|| vec![format!("({})", text.trim())]);
        parts.retain(|part| !part.is_empty());
        Self { parts }
    }

    pub(crate) fn parts(&self) -> &[String] {
        &self.parts
    }

    /// As text again.
    pub(crate) fn text(&self) -> String {
        self.parts.join(" AND ")
    }

    /// With one more part; nothing changes if it is there already.
    #[must_use]
    pub(crate) fn and(&self, part: &str) -> Self {
        let mut query = self.clone();
        for part in Self::parse(part).parts {
            if !query.parts.contains(&part) {
                query.parts.push(part);
            }
        }
        query
    }

    /// Without the part at that place.
    #[must_use]
    pub(crate) fn without(&self, place: usize) -> Self {
        let mut query = self.clone();
        if place < query.parts.len() {
            query.parts.remove(place);
        }
        query
    }

    /// Without all conditions on that attribute.
    #[must_use]
    pub(crate) fn without_attribute(&self, name: &str) -> Self {
        let about = |part: &&String| attribute(part) != Some(name);
        Self {
            parts: self.parts.iter().filter(about).cloned().collect(),
        }
    }

    /// The value that an attribute must equal, if a part says so.
    pub(crate) fn equals(&self, name: &str) -> Option<String> {
        let parts = self
            .parts
            .iter()
            .filter(|part| attribute(part) == Some(name));
        let mut values = parts.filter_map(|part| {
            let rest = after_attribute(part)?.trim_start().strip_prefix('=')?;
            unquoted(rest.trim())
        });
        values.next()
    }
}

/// A condition in the language of queries. `kind` is the type of the attribute; none if what is typed does not suit it.
pub(crate) fn condition(name: &str, operator: &str, value: &str, kind: &str) -> Option<String> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = match plain && !name.is_empty() {
        true => name.to_owned(),
        false if name.is_empty() || name.contains('`') => return None,
        false => format!("`{name}`"),
    };
    let literal = |value: &str| {
        let value = value.trim();
        match kind {
            "Int" => value.parse::<i64>().ok().map(|_| value.to_owned()),
            "Double" => value.parse::<f64>().ok().map(|_| value.to_owned()),
            "Bool" => {
                let lower = value.to_ascii_lowercase();
                matches!(lower.as_str(), "true" | "false").then_some(lower)
            }
            _ => Some(quoted(value)),
        }
    };
    match operator {
        "IS NULL" | "IS NOT NULL" => Some(format!("{name} {operator}")),
        "IN" | "NOT IN" => {
            let values: Option<Vec<_>> = value.split(',').map(literal).collect();
            Some(format!("{name} {operator} ({})", values?.join(", ")))
        }
        "STARTS_WITH" => Some(format!("{name} STARTS_WITH {}", quoted(value.trim()))),
        "=" | "!=" | ">" | ">=" | "<" | "<=" => {
            Some(format!("{name} {operator} {}", literal(value)?))
        }
        _ => None,
    }
}

/// The operators of the filter form, with their words.
pub(crate) const OPERATORS: [(&str, &str); 11] = [
    ("=", "is"),
    ("!=", "is not"),
    ("STARTS_WITH", "starts with"),
    ("IN", "is one of (commas)"),
    ("NOT IN", "is none of (commas)"),
    (">", "greater than"),
    (">=", "at least"),
    ("<", "less than"),
    ("<=", "at most"),
    ("IS NULL", "is missing"),
    ("IS NOT NULL", "is there"),
];

/// A string of the language.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The text of a string of the language.
fn unquoted(literal: &str) -> Option<String> {
    let quote = literal
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''))?;
    let inner = literal.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut text = String::new();
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.push(characters.next()?),
            other if other == quote => {
                characters.next().filter(|next| *next == quote)?;
                text.push(quote);
            }
            other => text.push(other),
        }
    }
    Some(text)
}

/// The attribute a part is about.
fn attribute(part: &str) -> Option<&str> {
    match part.strip_prefix('`') {
        Some(rest) => rest.split('`').next(),
        None => {
            let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
            Some(&part[..end]).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("not"))
        }
    }
}

fn after_attribute(part: &str) -> Option<&str> {
    let name = attribute(part)?;
    let quotes = if part.starts_with('`') { 2 } else { 0 };
    part.get(name.len() + quotes..)
}

/// The parts between the ANDs of the outermost level; none if there is an OR, or anything else that joins parts.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut depth, mut between) = (0, 0, 0_usize, false);
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' | b'`' => at = after_quote(bytes, at),
            b'(' => depth += 1,
            b')' => depth = depth.checked_sub(1)?,
            _ if depth > 0 => {}
            b'|' if bytes.get(at + 1) == Some(&b'|') => return None,
            b'&' if bytes.get(at + 1) == Some(&b'&') => {
                parts.push(text[start..at].trim().to_owned());
                at += 1;
                start = at + 1;
            }
            _ if is_word(byte) => {
                let end = (at..).find(|&end| !bytes.get(end).is_some_and(|&byte| is_word(byte)))?;
                match text[at..end].to_ascii_uppercase().as_str() {
                    "OR" | "GROUP" | "ORDER" => return None,
                    "BETWEEN" => between = true,
                    "AND" if between => between = false,
                    "AND" => {
                        parts.push(text[start..at].trim().to_owned());
                        start = end;
                    }
                    _ => {}
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(text[start..].trim().to_owned());
    (depth == 0).then_some(parts)
}

/// The place of the closing quote, or the end.
fn after_quote(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote != b'`' => at += 1,
            byte if byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<String> {
        Query::parse(text).parts
    }

    #[test]
    fn a_query_is_its_parts() {
        assert_eq!(parts(""), [""; 0]);
        assert_eq!(parts("  "), [""; 0]);
        assert_eq!(
            parts("A=1 and `B C` = 'x AND y'"),
            ["A=1", "`B C` = 'x AND y'"]
        );
        assert_eq!(
            parts("T BETWEEN 1 AND 2 AND (A=1 OR B=2) AND NOT C='\\' AND ' && D=1"),
            [
                "T BETWEEN 1 AND 2",
                "(A=1 OR B=2)",
                "NOT C='\\' AND '",
                "D=1"
            ]
        );
        assert_eq!(parts("A=1 OR B=2"), ["(A=1 OR B=2)"]);
        assert_eq!(parts("A='x''s' AND band=1"), ["A='x''s'", "band=1"]);
        assert_eq!(parts("A=\"unclosed AND B=1"), ["A=\"unclosed AND B=1"]);
    }

    #[test]
    fn text_and_parts_are_the_same_thing() {
        for text in [
            "ExecutionStatus = \"Running\" AND (A = 1 OR B = 2)",
            "`Kw-B` = 'ü' AND StartTime > \"2026-01-01T00:00:00Z\"",
            "A IN (\"1\", \"2\")",
        ] {
            let query = Query::parse(text);
            assert_eq!(query.text(), text);
            assert_eq!(Query::parse(&query.text()), query);
        }
    }

    #[test]
    fn chips_come_and_go() {
        let query = Query::parse("ExecutionStatus = 'Running' AND WorkflowType = \"T\"");
        assert_eq!(query.equals("ExecutionStatus").as_deref(), Some("Running"));
        assert_eq!(query.without(0).text(), "WorkflowType = \"T\"");
        assert_eq!(
            query.without_attribute("WorkflowType").text(),
            "ExecutionStatus = 'Running'"
        );
        assert_eq!(query.and("A = 1").and("A = 1").parts().len(), 3);
        assert_eq!(
            Query::parse("A=1 OR B=2").and("C=3").text(),
            "(A=1 OR B=2) AND C=3"
        );
    }

    #[test]
    fn what_is_typed_becomes_a_condition_and_is_read_again() {
        for value in ["plain", "O'Neil \"q\" \\back", "x AND y OR (", "ünï", "`"] {
            let built = condition("KwA", "=", value, "Keyword").unwrap();
            let query = Query::parse(&format!("A = 1 AND {built}"));
            assert_eq!(query.equals("KwA").as_deref(), Some(value), "{built}");
        }
        let built = |name, operator, value, kind| condition(name, operator, value, kind);
        assert_eq!(built("N", ">", "12", "Int").unwrap(), "N > 12");
        assert_eq!(built("N", ">", "x", "Int"), None);
        assert_eq!(built("B", "=", "TRUE", "Bool").unwrap(), "B = true");
        assert_eq!(
            built("a-b", "IN", "x, y", "Keyword").unwrap(),
            "`a-b` IN (\"x\", \"y\")"
        );
        assert_eq!(built("A", "IS NULL", "", "Text").unwrap(), "A IS NULL");
        assert_eq!(built("A` = 1 OR `B", "=", "1", "Int"), None);
        assert_eq!(built("A", "; DROP", "1", "Int"), None);
    }
}
