//! The directory of a store: whose it is, which format it has, and who has it open.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file that tells what the directory is.
const MARKER: &str = "STEADFAST";

/// The file that is locked while the store is open.
const LOCK: &str = "LOCK";

/// The folder of the database.
pub(crate) const PRIMARY: &str = "primary";

/// The folder of a database that is being made. What is in it was never used.
const PRIMARY_NEW: &str = "primary.new";

/// The first line of the marker.
const MARKER_TITLE: &str = "Steadfast store";

/// What stands before the version on the second line of the marker.
const MARKER_VERSION: &str = "format ";

/// The version of the format that this code reads and writes.
const FORMAT_VERSION: u32 = 3;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open, or another part of this one.
    #[error("{} is in use by another process", .0.display())]
    Locked(PathBuf),
    /// There is a file of that name.
    #[error("{} is a file, not a directory", .0.display())]
    NoDirectory(PathBuf),
    /// The directory has files in it, and is not a store.
    #[error("{} is neither empty nor a Steadfast store", .0.display())]
    Foreign(PathBuf),
    /// Another version of Steadfast has written it. Formats 1 and 2, of before the first release, are not read any more.
    #[error(
        "the store has format {found}, but this version of Steadfast reads {supported}: use the version that wrote it"
    )]
    UnsupportedVersion {
        /// The version that the directory has.
        found: u32,
        /// The version that this code opens.
        supported: u32,
    },
    /// What is stored cannot be read back. It was left as it is.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The file system refused.
    #[error("the store cannot be opened: {context}: {source}")]
    Io {
        /// What was being done, and to what.
        context: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl From<fjall::Error> for OpenError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source)) => {
                OpenError::Io {
                    context: format!("in {PRIMARY}"),
                    source,
                }
            }
            fjall::Error::Locked => OpenError::Locked(PRIMARY.into()),
            other => OpenError::Damaged(other.to_string()),
        }
    }
}

/// Makes an [`OpenError::Io`], for `map_err`.
pub(crate) fn io_error(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let context = format!("{doing} {}", path.display());
    move |source| OpenError::Io { context, source }
}

/// Checks that the directory is a store of a version we know, or makes an empty one into a store, and locks it.
pub(crate) fn claim(directory: &Path) -> Result<File, OpenError> {
    if directory.exists() && !directory.is_dir() {
        return Err(OpenError::NoDirectory(directory.to_owned()));
    }
    if !directory.exists() {
        fs::create_dir_all(directory).map_err(io_error("making", directory))?;
        if let Some(parent) = directory
            .canonicalize()
            .ok()
            .as_deref()
            .and_then(Path::parent)
        {
            sync(parent)?;
        }
    }
    let is_new = !is_ours(directory)?;
    let lock = lock(directory)?;
    // Looked at again, because another process may have made the store while this one waited for nothing.
    if is_new && !is_ours(directory)? {
        write_marker(directory)?;
    }
    Ok(lock)
}

/// Makes the database if there is none. A crash in the middle leaves a folder that the next attempt removes.
pub(crate) fn create_primary(
    directory: &Path,
    create: impl FnOnce(&Path) -> fjall::Result<()>,
) -> Result<(), OpenError> {
    let (primary, new) = (directory.join(PRIMARY), directory.join(PRIMARY_NEW));
    if primary.exists() {
        return Ok(());
    }
    if new.exists() {
        fs::remove_dir_all(&new).map_err(io_error("removing", &new))?;
    }
    create(&new)?;
    sync_all(&new)?;
    fs::rename(&new, &primary).map_err(io_error("renaming", &new))?;
    sync(directory)
}

/// Whether the directory has our marker. It has none, and is no error, when it is empty or was just begun.
fn is_ours(directory: &Path) -> Result<bool, OpenError> {
    let path = directory.join(MARKER);
    match fs::read_to_string(&path) {
        Ok(marker) => check_marker(directory, &marker).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            for entry in fs::read_dir(directory).map_err(io_error("listing", directory))? {
                let name = entry.map_err(io_error("listing", directory))?.file_name();
                // `lost+found` is in the root of a fresh volume; the others are left by a crash before the marker.
                if !["lost+found", LOCK, &marker_new()]
                    .iter()
                    .any(|known| name == *known)
                {
                    return Err(OpenError::Foreign(directory.into()));
                }
            }
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(OpenError::Foreign(directory.into()))
        }
        Err(error) => Err(io_error("reading", &path)(error)),
    }
}

fn check_marker(directory: &Path, marker: &str) -> Result<(), OpenError> {
    let mut lines = marker.lines();
    let title = lines.next();
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix(MARKER_VERSION))
        .map(str::parse);
    match (title, version) {
        (Some(MARKER_TITLE), Some(Ok(FORMAT_VERSION))) => Ok(()),
        (Some(MARKER_TITLE), Some(Ok(found))) => Err(OpenError::UnsupportedVersion {
            found,
            supported: FORMAT_VERSION,
        }),
        _ => Err(OpenError::Foreign(directory.into())),
    }
}

fn lock(directory: &Path) -> Result<File, OpenError> {
    let path = directory.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io_error("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(directory.into())),
        Err(TryLockError::Error(error)) => Err(io_error("locking", &path)(error)),
    }
}

/// Writes the marker so that it is there whole, or not at all.
fn write_marker(directory: &Path) -> Result<(), OpenError> {
    let (path, new) = (directory.join(MARKER), directory.join(marker_new()));
    let text = format!("{MARKER_TITLE}\n{MARKER_VERSION}{FORMAT_VERSION}\n");
    let mut file = File::create(&new).map_err(io_error("making", &new))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io_error("writing", &new))?;
    fs::rename(&new, &path).map_err(io_error("renaming", &new))?;
    sync(directory)
}

fn marker_new() -> String {
    format!("{MARKER}.new")
}

/// Makes a file, or the names in a directory, durable.
fn sync(path: &Path) -> Result<(), OpenError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(io_error("syncing", path))
}

/// Makes a folder durable with all that is in it.
fn sync_all(folder: &Path) -> Result<(), OpenError> {
    for entry in fs::read_dir(folder).map_err(io_error("listing", folder))? {
        let path = entry.map_err(io_error("listing", folder))?.path();
        if path.is_dir() {
            sync_all(&path)?
        } else {
            sync(&path)?
        }
    }
    sync(folder)
}
