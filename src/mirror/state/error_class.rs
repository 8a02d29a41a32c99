//! What a failure means for the row, and for the mirror as a whole.

use super::Unreadable;

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The credentials are refused. Nothing will work until somebody changes them.
    Auth,
    /// The bucket is missing, or something else that only the configuration can mend.
    Config,
    /// The store cannot be reached, or is left alone because it failed too often.
    Unreachable,
    /// It wants to be asked less.
    Throttled,
    /// It failed, and may not the next time.
    Transient,
    /// It refuses this object, and will again.
    Permanent,
    /// The source has no such object, and Wharf did not delete it.
    Absence,
    /// The object is encrypted with its owner's key.
    CustomerKey,
    /// The object is in an archive.
    Archived,
    /// Both sides were written while they could not see each other.
    Conflict,
}

impl Class {
    /// Every class, for metrics.
    pub const ALL: [Self; 10] = [
        Self::Auth,
        Self::Config,
        Self::Unreachable,
        Self::Throttled,
        Self::Transient,
        Self::Permanent,
        Self::Absence,
        Self::CustomerKey,
        Self::Archived,
        Self::Conflict,
    ];

    /// Its name in the database, in metrics and for operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Config => "config",
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Absence => "absence",
            Self::CustomerKey => "customer-key",
            Self::Archived => "archived",
            Self::Conflict => "conflict",
        }
    }

    /// The class called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// Whether it is the store's fault rather than this key's. Then the worker rests, and no key's attempts are counted:
    /// a mirror that is down all night leaves nothing dead behind.
    pub const fn is_of_the_store(self) -> bool {
        matches!(self, Self::Auth | Self::Config | Self::Unreachable | Self::Throttled)
    }

    /// Whether somebody has to do something before it can work again.
    pub const fn needs_an_operator(self) -> bool {
        matches!(self, Self::Auth | Self::Config)
    }
}

impl From<Unreadable> for Class {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::CustomerKey => Self::CustomerKey,
            Unreadable::Archived => Self::Archived,
        }
    }
}
