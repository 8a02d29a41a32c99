//! Who this process is among those that share the database, and that it is alone in its data directory.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use ring::rand::{SecureRandom, SystemRandom};

use super::error::StoreError;

/// The file that the serving process holds locked. The lock ends with the process, however it ends.
const LOCK_FILE: &str = "wharf.lock";
/// The file with the node's name.
const NODE_FILE: &str = "node";

/// Who writes.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// The same for every process of this data directory.
    pub(super) node: Arc<str>,
    /// This process's own.
    pub(super) process: String,
    /// Where this process begins to count the tokens of its leases: no two processes come near each other.
    pub(super) tokens_from: u64,
}

impl Identity {
    /// The node's name is made once, and kept.
    pub(super) fn of(data_directory: &Path) -> Result<Self, StoreError> {
        let node = match read_node(data_directory)? {
            Some(node) => node,
            None => make_node(data_directory)?,
        };
        let process = hex::encode(random::<16>()?);
        Ok(Self { node: node.into(), process, tokens_from: u64::from_ne_bytes(random()?) })
    }
}

/// Locks the data directory for as long as the file is kept.
pub(super) fn lock(data_directory: &Path) -> Result<File, StoreError> {
    let path = data_directory.join(LOCK_FILE);
    let failed = |source| StoreError::File { path: path.clone(), source };
    fs::create_dir_all(data_directory).map_err(failed)?;
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path)),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Sees to it that the names of new files reach the disk: what is in them would be lost with the name.
pub(super) fn sync(data_directory: &Path) -> Result<(), StoreError> {
    let synced = File::open(data_directory).and_then(|directory| directory.sync_all());
    synced.map_err(|source| StoreError::File { path: data_directory.to_owned(), source })
}

fn read_node(data_directory: &Path) -> Result<Option<String>, StoreError> {
    let path = data_directory.join(NODE_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|node| !node.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::File { path, source }),
    }
}

/// The file appears under its name only when it is whole. Whoever comes second finds the first one's name.
fn make_node(data_directory: &Path) -> Result<String, StoreError> {
    let path = data_directory.join(NODE_FILE);
    let failed = |path: &PathBuf| {
        let path = path.clone();
        move |source| StoreError::File { path, source }
    };
    fs::create_dir_all(data_directory).map_err(failed(&path))?;
    let node = hex::encode(random::<8>()?);
    let draft = path.with_extension(&node);
    let mut file = File::create_new(&draft).map_err(failed(&draft))?;
    file.write_all(node.as_bytes()).and_then(|()| file.sync_all()).map_err(failed(&draft))?;
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft).map_err(failed(&draft))?;
    match linked {
        Ok(()) => Ok(node),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Ok(read_node(data_directory)?.unwrap_or(node))
        }
        Err(source) => Err(failed(&path)(source)),
    }
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| StoreError::NoRandomness)?;
    Ok(bytes)
}
