//! What must not lie in the tree, how long a file may be, whether documents are right about paths.

use crate::tree;

/// Lines of a source file without its tests.
const LINES_MAX: usize = 600;

/// Files beyond that, and the lines they may have. The list only shrinks: no new entry, no larger number.
const LONG_FILES: [(&str, usize); 1] = [
    // A suite of tests, in src so that every backend can run it.
    ("crates/store/src/conformance.rs", 830),
];

/// Pictures for readers are the only files that are not text.
const PICTURES: &str = "docs/";

/// Places of one machine. In two parts, so that this file does not hold them.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "home/"),
];

/// What package managers would take for the address of a registry or of a mirror of one.
const REGISTRIES: [&str; 10] = [
    concat!("registry.", "npmjs"),
    concat!("py", "pi.org"),
    concat!("pythonhosted", ".org"),
    concat!("proxy.", "golang"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("repo1.", "maven"),
    concat!("repo.", "maven.apache"),
    concat!("arti", "factory"),
    concat!("deb.", "debian.org"),
];

#[test]
fn files_are_text_and_no_protocol_is_copied() {
    for path in tree::files() {
        assert!(
            !path.ends_with(".proto"),
            "{path}: the protocol comes from its package"
        );
        let is_picture = path.starts_with(PICTURES) && path.ends_with(".png");
        let bytes = std::fs::read(tree::root().join(&path)).expect("a listed file can be read");
        let is_text = std::str::from_utf8(&bytes).is_ok() && !bytes.contains(&0);
        assert!(is_text || is_picture, "{path} is not text");
    }
}

#[test]
fn nothing_names_a_registry_or_a_place_of_one_machine() {
    for path in tree::files() {
        let Ok(text) = std::fs::read_to_string(tree::root().join(&path)) else {
            continue;
        };
        for found in MACHINE_PATHS.iter().chain(&REGISTRIES) {
            // A path of an API may look the same; one that begins a word is a path of a machine.
            let named = text.match_indices(found).any(|(at, _)| {
                let before = text[..at].chars().next_back();
                let is_machine_path = MACHINE_PATHS.contains(found);
                !is_machine_path
                    || before
                        .is_none_or(|before| before.is_whitespace() || "\"'`(=:".contains(before))
            });
            assert!(!named, "{path} names {found}");
        }
    }
}

#[test]
fn files_are_short() {
    for path in tree::sources() {
        let text = tree::text(&path);
        let lines = tree::without_tests(&text).lines().count();
        let listed = LONG_FILES.iter().find(|(long, _)| *long == path);
        match listed {
            None => assert!(lines <= LINES_MAX, "{path} has {lines} lines: split it"),
            Some((_, allowed)) => {
                assert!(
                    lines <= *allowed,
                    "{path} has {lines} lines: it may only shrink"
                );
                assert!(
                    lines > LINES_MAX,
                    "{path} has {lines} lines: take it off the list"
                );
            }
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for path in tree::files() {
        if !path.ends_with(".md") {
            continue;
        }
        let text = tree::text(&path);
        let folder = std::path::Path::new(&path)
            .parent()
            .expect("a file has a folder");
        for (at, _) in text.match_indices("](") {
            let Some((link, _)) = text[at + 2..].split_once(')') else {
                continue;
            };
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let exists = tree::root().join(folder).join(target).exists();
            assert!(exists, "{path} links to {link}");
        }
    }
}

#[test]
fn every_folder_of_sources_is_on_the_map() {
    let map = tree::text("ARCHITECTURE.md");
    for path in tree::sources() {
        let (folder, _) = path.rsplit_once('/').expect("a source is in a folder");
        let named = format!("`{}/`", folder.trim_end_matches("/src"));
        assert!(
            map.contains(&named),
            "ARCHITECTURE.md does not name {named}"
        );
    }
}
