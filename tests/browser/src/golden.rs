//! What a page means, as text: its accessibility tree, without what differs each time, compared with what was agreed.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use chromiumoxide::cdp::browser_protocol::accessibility::{
    AxNode, AxPropertyName, AxValue, GetFullAxTreeParams,
};
use regex::Regex;

use crate::place;
use crate::tab::Tab;

/// Roles that say nothing but that something is there.
const SILENT: [&str; 4] = ["none", "generic", "InlineTextBox", "LineBreak"];

/// The accessibility tree of a page, one node a line, masked; without bar and foot, unless the whole is wanted.
pub async fn tree(tab: &Tab, whole: bool) -> Result<String> {
    let nodes = tab
        .page
        .execute(GetFullAxTreeParams::default())
        .await?
        .result
        .nodes;
    let by_id: HashMap<&str, &AxNode> = nodes
        .iter()
        .map(|node| (node.node_id.as_ref(), node))
        .collect();
    let mut text = String::new();
    let root = nodes.first().context("a page has a tree")?;
    let frame: &[&str] = if whole {
        &[]
    } else {
        &["banner", "contentinfo"]
    };
    write(root, &by_id, 0, "", frame, &mut text);
    Ok(masked(&text))
}

/// Compares with the golden of this name, or writes it where `UPDATE` is set.
pub fn compare(name: &str, text: &str) -> Result<()> {
    let path = place::here().join("golden").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().context("goldens are in a folder")?)?;
        return Ok(std::fs::write(path, text)?);
    }
    let golden = std::fs::read_to_string(&path)
        .with_context(|| format!("no golden {name}: UPDATE=1 writes it"))?;
    let differs = golden
        .lines()
        .zip(text.lines())
        .position(|(old, new)| old != new);
    let at = differs.unwrap_or_else(|| golden.lines().count().min(text.lines().count()));
    let line = |text: &str| {
        text.lines()
            .nth(at)
            .unwrap_or("(the end)")
            .trim()
            .to_owned()
    };
    ensure!(
        golden == text,
        "golden {name}, line {}:\n  was: {}\n  is:  {}\n  UPDATE=1 rewrites it, if the change is meant",
        at + 1,
        line(&golden),
        line(text)
    );
    Ok(())
}

fn write(
    node: &AxNode,
    by_id: &HashMap<&str, &AxNode>,
    depth: usize,
    outer: &str,
    without: &[&str],
    text: &mut String,
) {
    let role = string(node.role.as_ref());
    if without.contains(&role.as_str()) {
        return;
    }
    let name = string(node.name.as_ref());
    // Text that only repeats the name of what it stands in.
    let repeats = role == "StaticText" && (name == outer || name.trim().is_empty());
    let silent = node.ignored || repeats || SILENT.contains(&role.as_str());
    if !silent {
        let _ = write!(text, "{:indent$}{role}", "", indent = depth * 2);
        if !name.is_empty() {
            let _ = write!(text, " {name:?}");
        }
        let value = string(node.value.as_ref());
        if !value.is_empty() && value != name {
            let _ = write!(text, " value={value:?}");
        }
        for property in node.properties.iter().flatten() {
            let shown = match property.name {
                AxPropertyName::Level => "level",
                AxPropertyName::Checked => "checked",
                AxPropertyName::Expanded => "expanded",
                AxPropertyName::Invalid => "invalid",
                AxPropertyName::Required => "required",
                AxPropertyName::Disabled => "disabled",
                _ => continue,
            };
            let value = string(Some(&property.value));
            if value != "false" {
                let _ = write!(text, " {shown}={value}");
            }
        }
        text.push('\n');
    }
    let (depth, outer) = if silent {
        (depth, outer)
    } else {
        (depth + 1, name.as_str())
    };
    // The zones of the world and the like are no part of a page's meaning.
    if role == "listbox" || role == "combobox" {
        return;
    }
    for child in node
        .child_ids
        .iter()
        .flatten()
        .filter_map(|id| by_id.get(id.as_ref()))
    {
        write(child, by_id, depth, outer, without, text);
    }
}

fn string(value: Option<&AxValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// What stands for what differs each time. In this order: the first one that fits has it.
static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let masks = [
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "<id>",
        ),
        (r"\b[0-9a-f]{32}\b", "<token>"),
        (
            r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?( UTC)?",
            "<time>",
        ),
        (r"\b\d\d:\d\d:\d\d(\.\d+)?", "<time>"),
        (r"127\.0\.0\.1:\d+|localhost:\d+", "<address>"),
        (r"\b\d+@[\w.-]+", "<worker>"),
        (
            r"[+-]?\d+(\.\d+)? (µs|ms|s|m|h|d)( \d+ (s|m|h))?\b",
            "<span>",
        ),
        (r#"in <span>|<span> ago|"now""#, "<when>"),
        // Whether a worker hears two pieces of news in one task or in two is a matter of time, and with it the number
        // of events and of changes.
        (
            r#"(State transitions"\s+definition\s+StaticText )"\d+""#,
            "$1<number>",
        ),
        (
            r#"History \d+"(\s+StaticText "History "\s+StaticText )"\d+""#,
            "History <number>\"$1\"<number>\"",
        ),
        (r"\d+(\.\d+)? (bytes|B|KB|MB)\b", "<size>"),
        (r"\b\d+ events, <size>", "<number> events, <size>"),
        (r"\d+\.\d (added|taken)", "<rate> $1"),
        // Whether a timeline has room for these is a matter of milliseconds.
        (r#"(?m)^ *link "(Zoom in|Show idle time)"\n"#, ""),
    ];
    let masks = masks.into_iter();
    masks
        .map(|(pattern, name)| (Regex::new(pattern).expect("it is written here"), name))
        .collect()
});

fn masked(text: &str) -> String {
    MASKS.iter().fold(text.to_owned(), |text, (pattern, name)| {
        pattern.replace_all(&text, *name).into_owned()
    })
}
