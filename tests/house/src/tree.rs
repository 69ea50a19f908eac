//! The tree under test: its files, and what of a source file is no test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("this crate is two folders below the root")
        .to_owned()
}

/// The text of a file, by its path from the root.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths, from the root, of all files that belong to the project and exist.
pub(crate) fn files() -> Vec<String> {
    let mut command = Command::new("git");
    command.args(["-c", "safe.directory=*", "ls-files", "-z"]);
    let listed = command.current_dir(root()).output();
    let mut files: Vec<String> = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect(),
        // An unpacked archive has no git; what was built in it is left out by name.
        _ => walk(Path::new("")),
    };
    files.retain(|path| root().join(path).is_file());
    assert!(!files.is_empty(), "the tree has files");
    files.sort();
    files
}

/// The paths of all files below a folder, new ones included, without what was built.
pub(crate) fn walk(folder: &Path) -> Vec<String> {
    const BUILT: [&str; 5] = [
        ".git",
        "target",
        "node_modules",
        "__pycache__",
        "steadfast-data",
    ];
    let entries = fs::read_dir(root().join(folder)).expect("a folder of the tree can be read");
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.expect("a folder of the tree can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = folder.join(&name);
        if entry.path().is_dir() && !BUILT.contains(&name.as_str()) {
            files.extend(walk(&path));
        } else if entry.path().is_file() {
            files.push(path.to_string_lossy().into_owned());
        }
    }
    files
}

/// The Rust sources of the product: those of the crates, without tests and examples.
pub(crate) fn sources() -> Vec<String> {
    let mut files = files();
    files.retain(|path| path.starts_with("crates/") && path.contains("/src/"));
    files.retain(|path| path.ends_with(".rs") && !path.ends_with("/tests.rs"));
    files
}

/// The source without its unit tests, which stand at its end.
pub(crate) fn without_tests(source: &str) -> &str {
    let tests = source.match_indices("\n#[cfg(test)]\n").find(|(at, mark)| {
        let rest = &source[at + mark.len()..];
        rest.starts_with("mod tests {")
    });
    tests.map_or(source, |(at, _)| &source[..at])
}

/// The rows of the table of a document whose head has these cells; without the head and the line below it.
pub(crate) fn table(document: &str, head: &[&str]) -> Vec<Vec<String>> {
    let text = text(document);
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        inner
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let mut lines = text.lines().skip_while(|line| cells(line) != head);
    assert!(
        lines.next().is_some(),
        "{document} has a table with the columns {head:?}"
    );
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(cells)
        .collect()
}

/// What stands in backquotes.
pub(crate) fn quoted(cell: &str) -> Vec<String> {
    let parts = cell.split('`').skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}
