//! Files that settings name: secrets, certificates, keys.

use std::{
    fs::File,
    hash::{DefaultHasher, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Bytes of the largest file that a setting may name. A larger one is not what was meant, and would be held in memory.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a file could not be used. It names the file and shows nothing of what is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It cannot be opened or read.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is larger than anything that was meant.
    #[error("{} is larger than 1 MiB", .0.display())]
    TooLarge(PathBuf),
    /// It is not UTF-8.
    #[error("{} is not text in UTF-8", .0.display())]
    NotText(PathBuf),
}

/// What a file held, as far as it matters to tell whether it holds something else now; `None` if it cannot be read.
pub(super) type Fingerprint = Option<u64>;

/// What a file held when it was read.
pub(super) struct Content {
    pub(super) fingerprint: Fingerprint,
    pub(super) text: Result<String, FileError>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Content {
    match read_bytes(path) {
        Ok(bytes) => Content { fingerprint: Some(hash(&bytes)), text: text(path, bytes) },
        Err(error) => {
            Content { fingerprint: None, text: Err(FileError::Unreadable { path: path.to_owned(), error }) }
        }
    }
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, FileError> {
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(FileError::TooLarge(path.to_owned()));
    }
    String::from_utf8(bytes).map_err(|_| FileError::NotText(path.to_owned()))
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
