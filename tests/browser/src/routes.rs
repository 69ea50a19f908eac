//! The paths that the UI has, as its sources say: a page without a test is found here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::place;

const RUN: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}";

/// The paths of the router, with names in braces.
#[derive(Default)]
pub struct Routes {
    /// Those that are looked at.
    pub get: BTreeSet<String>,
    /// Those that forms are sent to.
    pub post: BTreeSet<String>,
}

impl Routes {
    /// Reads the sources.
    pub fn read() -> Result<Self> {
        let mut routes = Self::default();
        routes.read_folder(&place::root().join("crates/web/src"))?;
        Ok(routes)
    }

    fn read_folder(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.read_folder(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = fs::read_to_string(&path)?;
                let source = source
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap_or_default();
                for call in source.split(".route(").skip(1) {
                    self.add(call)
                        .with_context(|| format!("a route in {}", path.display()))?;
                }
            }
        }
        Ok(())
    }

    /// Adds one by what follows `.route(` in the source.
    fn add(&mut self, call: &str) -> Result<()> {
        let (path, rest) = call.split_once(',').context("a path and what answers")?;
        let literal = path.split('"').nth(1);
        let path = match (path.trim(), literal) {
            ("WORKFLOW", _) => RUN.trim_end_matches("/{run}").to_owned(),
            (path, Some(page)) if path.starts_with("&run(") => format!("{RUN}{page}"),
            (_, Some(path)) => path.to_owned(),
            (other, None) => anyhow::bail!("what path is {other}?"),
        };
        let answer = rest.split(".route(").next().unwrap_or_default();
        let answer = answer
            .split_once("\n        .")
            .map_or(answer, |(answer, _)| answer);
        if answer.contains("get(") {
            self.get.insert(path.clone());
        }
        if answer.contains("post(") {
            self.post.insert(path);
        }
        Ok(())
    }
}

/// Whether a path is one of a route.
pub fn fits(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    let same =
        |(route, path): (&&str, &&str)| route == path || route.starts_with('{') && !path.is_empty();
    route.len() == path.len() && route.iter().zip(&path).all(same)
}
