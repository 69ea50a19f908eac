//! Who sees whom, and why each external crate is there.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Dependency, DependencyKind, Metadata, MetadataCommand, Package};

use crate::tree;

const ARCHITECTURE: &str = "ARCHITECTURE.md";

/// The state machines and languages that know no runtime and no store.
const PURE: [&str; 3] = ["core", "matching", "visibility"];

/// What each crate may see at most, whatever ARCHITECTURE.md says: the direction of the whole.
const LAYERS: [(&str, &[&str]); 11] = [
    ("protocol", &[]),
    ("core", &["protocol"]),
    ("matching", &["protocol"]),
    ("visibility", &["protocol"]),
    ("store", &[]),
    ("store-local", &["store"]),
    ("visibility-sqlite", &["visibility"]),
    (
        "engine",
        &["protocol", "core", "matching", "visibility", "store"],
    ),
    ("server", &["protocol", "core", "visibility", "engine"]),
    // A client of the public API like any other: no back door.
    ("web", &["protocol"]),
    ("bench", &["protocol"]),
];

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(tree::root().join("Cargo.toml"));
    let metadata = command.no_deps().other_options(["--offline".to_owned()]);
    metadata.exec().expect("cargo can read the workspace")
}

/// The name of a crate of this workspace as people say it; none of others.
fn short(name: &str) -> Option<&str> {
    match name {
        "steadfast" => Some(name),
        name => name.strip_prefix("steadfast-"),
    }
}

fn members(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    let packages = metadata.packages.iter();
    packages
        .map(|package| {
            let name = short(&package.name).expect("crates of the workspace are named steadfast-…");
            (name, package)
        })
        .collect()
}

fn sees(package: &Package) -> BTreeSet<&str> {
    let used = package.dependencies.iter();
    used.filter(|used| used.kind != DependencyKind::Development && used.path.is_some())
        .filter_map(|used| short(&used.name))
        .collect()
}

fn external(package: &Package) -> impl Iterator<Item = &Dependency> {
    let used = package.dependencies.iter();
    used.filter(|used| used.path.is_none())
}

#[test]
fn the_layers_hold() {
    let metadata = metadata();
    let members = members(&metadata);
    for (name, allowed) in LAYERS {
        let Some(package) = members.get(name) else {
            continue;
        };
        for seen in sees(package) {
            assert!(allowed.contains(&seen), "{name} must not see {seen}");
        }
    }
    for name in PURE {
        let package = members[name];
        for dependency in external(package) {
            let is_runtime = ["tokio", "tonic", "axum", "rand"].contains(&&*dependency.name);
            assert!(!is_runtime, "{name} must not use {}", dependency.name);
        }
    }
    // The binary wires everything and is wired by nobody.
    for (name, package) in &members {
        assert!(
            !sees(package).contains("steadfast"),
            "{name} must not see the binary"
        );
    }
}

#[test]
fn every_crate_is_listed_with_what_it_sees() {
    let metadata = metadata();
    let mut listed = BTreeMap::new();
    for row in tree::table(ARCHITECTURE, &["Crate", "Sees", "What it is"]) {
        let name = tree::quoted(&row[0]).remove(0);
        listed.insert(name, tree::quoted(&row[1]));
    }
    for (name, package) in members(&metadata) {
        let allowed = listed.remove(name);
        let allowed = allowed.unwrap_or_else(|| panic!("{ARCHITECTURE} does not list {name}"));
        let allowed: BTreeSet<_> = allowed.iter().map(String::as_str).collect();
        assert_eq!(
            allowed,
            sees(package),
            "what {ARCHITECTURE} says {name} sees, and what it does see"
        );
    }
    assert!(listed.is_empty(), "{listed:?} are listed and do not exist");
}

#[test]
fn every_external_crate_has_a_reason() {
    let metadata = metadata();
    let mut reasons = BTreeMap::new();
    for row in tree::table(ARCHITECTURE, &["Dependency", "Why"]) {
        for name in tree::quoted(&row[0]) {
            reasons.insert(name, row[1].clone());
        }
    }
    let packages = metadata.packages.iter();
    let used: BTreeSet<_> = packages.flat_map(external).map(|used| &used.name).collect();
    for name in used {
        let reason = reasons.remove(&**name);
        let reason = reason.unwrap_or_else(|| panic!("{ARCHITECTURE} has no reason for {name}"));
        assert!(
            !reason.is_empty(),
            "{ARCHITECTURE} has no reason for {name}"
        );
    }
    assert!(reasons.is_empty(), "{reasons:?} are listed and not used");
}

#[test]
fn what_is_declared_is_used() {
    // What is generated needs more than what is written there, and one package only for a folder in it.
    const GENERATED: &str = "steadfast-protocol";
    let metadata = metadata();
    let mut unused = Vec::new();
    for package in &metadata.packages {
        let folder = package.manifest_path.parent();
        let folder = folder.and_then(|folder| folder.strip_prefix(tree::root()).ok());
        let folder = folder.expect("its manifest is in the tree");
        let mut sources = tree::walk(folder.as_std_path());
        sources.retain(|path| path.ends_with(".rs"));
        let sources: String = sources.iter().map(|path| tree::text(path)).collect();
        for dependency in &package.dependencies {
            let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
            let path = format!("{}::", name.replace('-', "_"));
            if !sources.contains(&path) && *package.name != GENERATED {
                unused.push(format!("{} in {}", name, package.name));
            }
        }
    }
    assert!(unused.is_empty(), "declared and never used: {unused:?}");
}

#[test]
fn all_crates_share_the_lints() {
    for package in &metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("it was read before");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} must take the lints of the workspace",
            package.name
        );
    }
    let workspace = tree::text("Cargo.toml");
    assert!(workspace.contains("unsafe_code = \"forbid\""));
}
