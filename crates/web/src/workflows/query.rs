//! The raw query, the filter chips and the order of columns, which are the same thing: a chip is a part of the query
//! between two ANDs, the order what its ORDER BY says.

/// A query as the parts that must all hold, each in its own words, and the order of what it finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    parts: Vec<String>,
    order: Option<Order>,
}

/// By the value of which attribute a list is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) by: String,
    pub(crate) descending: bool,
}

impl Query {
    /// Reads a query. What has an OR on its outermost level is one part.
    pub(crate) fn parse(text: &str) -> Self {
        let (text, order) = match ordered(text) {
            Some((condition, order)) => (condition, Some(order)),
            None => (text, None),
        };
        let mut parts = split(text).unwrap_or_else(|| vec![format!("({})", text.trim())]);
        parts.retain(|part| !part.is_empty());
        Self { parts, order }
    }

    pub(crate) fn parts(&self) -> &[String] {
        &self.parts
    }

    /// As text again.
    pub(crate) fn text(&self) -> String {
        let mut text = self.condition();
        if let Some(order) = &self.order {
            let by = name(&order.by).unwrap_or_default();
            let space = if text.is_empty() { "" } else { " " };
            let descending = if order.descending { " DESC" } else { "" };
            text += &format!("{space}ORDER BY {by}{descending}");
        }
        text
    }

    /// The condition alone, as counts and what is done with many take it.
    pub(crate) fn condition(&self) -> String {
        self.parts.join(" AND ")
    }

    /// How the list is sorted, if not as usual.
    pub(crate) fn order(&self) -> Option<&Order> {
        self.order.as_ref()
    }

    /// In another order, or in the usual one. What is no name of an attribute changes nothing.
    #[must_use]
    pub(crate) fn sorted(&self, order: Option<Order>) -> Self {
        let order = order.filter(|order| name(&order.by).is_some());
        Self {
            parts: self.parts.clone(),
            order,
        }
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
            order: self.order.clone(),
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
    let name = self::name(name)?;
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
        "STARTS_WITH" | "CONTAINS" => Some(format!("{name} {operator} {}", quoted(value.trim()))),
        "=" | "!=" | ">" | ">=" | "<" | "<=" => {
            Some(format!("{name} {operator} {}", literal(value)?))
        }
        _ => None,
    }
}

/// The name of an attribute in the language; none for what cannot be one.
fn name(name: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match name.bytes().all(plain) {
        _ if name.is_empty() || name.contains('`') => None,
        true => Some(name.to_owned()),
        false => Some(format!("`{name}`")),
    }
}

/// The condition before an ORDER BY, and the one attribute that it names.
fn ordered(text: &str) -> Option<(&str, Order)> {
    let bytes = text.as_bytes();
    let (mut at, mut start) = (0, None);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' | b'`' => at = after_quote(bytes, at),
            _ if is_word(byte) => {
                let end = word_end(bytes, at);
                if text[at..end].eq_ignore_ascii_case("order") {
                    start = Some((at, end));
                }
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
    let (start, end) = start?;
    let rest = text[end..].trim();
    let (word, by) = rest.split_once(char::is_whitespace)?;
    if !word.eq_ignore_ascii_case("by") {
        return None;
    }
    let by = by.trim();
    let (by, rest) = match by.strip_prefix('`') {
        Some(quoted) => quoted.split_once('`')?,
        None => by.split_at(word_end(by.as_bytes(), 0)),
    };
    let descending = match rest.trim().to_ascii_lowercase().as_str() {
        "" | "asc" => false,
        "desc" => true,
        _ => return None,
    };
    name(by)?;
    let order = Order {
        by: by.to_owned(),
        descending,
    };
    Some((&text[..start], order))
}

/// The operators of the filter form, with their words.
pub(crate) const OPERATORS: [(&str, &str); 12] = [
    ("=", "is"),
    ("!=", "is not"),
    ("STARTS_WITH", "starts with"),
    ("CONTAINS", "contains"),
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
                let end = word_end(bytes, at);
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

/// Where the word that begins there ends.
fn word_end(bytes: &[u8], start: usize) -> usize {
    let ends = |at: &usize| !bytes.get(*at).is_some_and(|&byte| is_word(byte));
    (start..).find(ends).unwrap_or(bytes.len())
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
    fn the_order_is_a_part_of_the_query() {
        let query = Query::parse("A = 'x ORDER BY y' AND B = 1 order by `Kw-C`  desc ");
        let order = Order {
            by: "Kw-C".to_owned(),
            descending: true,
        };
        assert_eq!(query.order(), Some(&order));
        assert_eq!(query.condition(), "A = 'x ORDER BY y' AND B = 1");
        let text = "A = 'x ORDER BY y' AND B = 1 ORDER BY `Kw-C` DESC";
        assert_eq!(query.text(), text);
        assert_eq!(Query::parse(text), query);
        assert_eq!(query.without(0).text(), "B = 1 ORDER BY `Kw-C` DESC");
        assert_eq!(query.sorted(None).text(), query.condition());
        assert_eq!(Query::parse("ORDER BY A").text(), "ORDER BY A");
        assert_eq!(Query::parse("ORDER BY A").condition(), "");
        // What the server is to explain stays as it is.
        for odd in [
            "ORDER BY",
            "ORDER BY A, B",
            "ORDER BY A LIMIT 1",
            "ORDER BY ``",
        ] {
            assert_eq!(Query::parse(odd).text(), format!("({odd})"), "{odd}");
        }
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
        assert_eq!(
            built("WorkflowId", "CONTAINS", " a\"b ", "Keyword").unwrap(),
            "WorkflowId CONTAINS \"a\\\"b\""
        );
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
