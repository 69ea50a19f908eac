//! Rules of accessibility, checked by axe-core in the page.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::place;
use crate::tab::Tab;

const LIBRARY: &str = "node_modules/axe-core/axe.min.js";

#[derive(Deserialize)]
struct Violation {
    id: String,
    impact: Option<String>,
    help: String,
    nodes: Vec<String>,
}

/// Fails if the page breaks a rule in a way that is serious or critical, in the light or in the dark theme.
pub async fn check(tab: &Tab) -> Result<()> {
    let path = place::here().join(LIBRARY);
    let hint = || {
        format!(
            "{}: `tests/run.py setup --only browser` installs it",
            path.display()
        )
    };
    let library = std::fs::read_to_string(&path).with_context(hint)?;
    tab.value::<bool>(&format!("{library};true")).await?;
    let mut found = Vec::new();
    for (scheme, rules) in [
        ("light", "undefined"),
        ("dark", "{ type: 'rule', values: ['color-contrast'] }"),
    ] {
        tab.prefers(&[("prefers-color-scheme", scheme)]).await?;
        let run = format!(
            "axe.run(document, {{ resultTypes: ['violations'], runOnly: {rules} }}).then(({{ violations }}) =>
                violations.map(({{ id, impact, help, nodes }}) =>
                    ({{ id, impact, help, nodes: nodes.slice(0, 3).map((node) => node.html.slice(0, 200)) }})))"
        );
        let violations: Vec<Violation> = tab.value(&run).await.context("axe")?;
        let bad = violations
            .into_iter()
            .filter(|one| matches!(one.impact.as_deref(), Some("serious" | "critical")));
        found.extend(bad.map(|one| {
            format!(
                "{scheme}: {} ({}): {}",
                one.id,
                one.help,
                one.nodes.join("\n    ")
            )
        }));
    }
    ensure!(found.is_empty(), "axe:\n  {}", found.join("\n  "));
    Ok(())
}
