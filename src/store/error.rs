//! What can go wrong with the database.

use std::{io, path::PathBuf, sync::Arc};

use thiserror::Error;

/// Why the store cannot be opened.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file of the data directory.
    #[error("cannot use {}: {source}; `server.data_directory` must be a folder that Wharf may write", path.display())]
    File {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process serves from this data directory.
    #[error(
        "{} is locked: another process serves from this data directory; stop it, or name another one in \
         `server.data_directory`",
        .0.display()
    )]
    Locked(PathBuf),
    /// The path of the data directory cannot be handed to the database.
    #[error("{} is not text in UTF-8", .0.display())]
    NotText(PathBuf),
    /// The database itself.
    #[error("the database {database}: {source}")]
    Database {
        /// Which database, without its secret.
        database: String,
        /// Why.
        source: sqlx::Error,
    },
    /// What earlier runs have left cannot be taken over.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// There are no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The database does not answer in time.
    #[error("the database {0} does not answer in time")]
    TimedOut(String),
    /// A later version of Wharf has changed the tables.
    #[error("the database has tables of version {found}, and this version of Wharf knows {known} at most")]
    Newer {
        /// The version that was found.
        found: i64,
        /// The last version that is known here.
        known: i64,
    },
}

/// Why the journal did not take or tell something. The database may recover, so trying again can help.
#[derive(Debug, Clone, Error)]
pub enum JournalError {
    /// The database refused: a full disk, a failing one, a server that is down.
    #[error("the journal cannot be used: {0}")]
    Unavailable(Arc<str>),
    /// The database did not answer in time. Whether it took what it was given is unknown.
    #[error("the journal did not answer in time")]
    TimedOut,
    /// This process only looks in beside the one that serves, which alone opens intents.
    #[error("only the process that serves opens intents")]
    NotServing,
    /// This process was away for so long that its run is over: others may have taken its intents for changes.
    #[error("this process was away for so long that others may have taken over what it had begun")]
    RunOver,
    /// The key is being copied from where its bucket was before, and that could not be stopped in time.
    #[error("the key is being copied from where its bucket was before")]
    Filling,
    /// The store was closed.
    #[error("the journal is closed")]
    Closed,
}

impl From<sqlx::Error> for JournalError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.to_string().into())
    }
}

impl From<StoreError> for JournalError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TimedOut(_) => Self::TimedOut,
            StoreError::Journal(error) => error,
            StoreError::File { .. }
            | StoreError::Locked(_)
            | StoreError::NotText(_)
            | StoreError::Database { .. }
            | StoreError::NoRandomness
            | StoreError::Newer { .. } => Self::Unavailable(error.to_string().into()),
        }
    }
}
