//! The key that seals tokens when the configuration names none: made once, kept in the data directory.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::{
    config::checked::Server,
    seal::{self, CannotSeal, Sealer},
};

const FILE_NAME: &str = "sealing_key";
/// The owner alone may read it: whoever has the key can forge tokens.
const FILE_MODE: u32 = 0o600;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum SealingKeyError {
    /// The file cannot be made or read.
    #[error(
        "the sealing key {}: {source}; `server.data_directory` must be a folder that Wharf may write",
        path.display()
    )]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The keys are none.
    #[error("server.sealing_keys: {0}")]
    Unsound(String),
    /// There is no randomness to make one of.
    #[error(transparent)]
    NotMade(#[from] CannotSeal),
}

/// What seals and opens by the configured keys, or else by the one in the data directory.
pub fn sealer(server: &Server) -> Result<Sealer, SealingKeyError> {
    let made;
    let keys = if server.sealing_keys.is_empty() {
        made = [load_or_make(&server.data_directory)?];
        &made
    } else {
        server.sealing_keys.as_slice()
    };
    Sealer::new(keys).map_err(SealingKeyError::Unsound)
}

/// The key in `directory`; it is made when absent, and so is the directory.
pub fn load_or_make(directory: &Path) -> Result<SecretString, SealingKeyError> {
    let path = directory.join(FILE_NAME);
    let failed = |source| SealingKeyError::File { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text.trim().into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    fs::create_dir_all(directory).map_err(failed)?;
    let key = seal::make_key()?;
    match write_new(&path, &key) {
        Ok(()) => Ok(key),
        // Another process was faster: its key is the one.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(fs::read_to_string(&path).map_err(failed)?.trim().into())
        }
        Err(error) => Err(failed(error)),
    }
}

/// The file appears under its name only when it is whole.
fn write_new(path: &Path, key: &SecretString) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&draft)
        .and_then(|mut file| {
            file.write_all(key.expose_secret().as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let made = load_or_make(&data).unwrap();
        let loaded = load_or_make(&data).unwrap();
        assert_eq!(made.expose_secret(), loaded.expose_secret());
        assert!(seal::Sealer::new(&[loaded]).is_ok());
        let files: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, [FILE_NAME]);
        let permissions = fs::metadata(data.join(FILE_NAME)).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, FILE_MODE);
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = load_or_make(&file.join("data")).unwrap_err();
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}
