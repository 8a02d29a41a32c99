//! How many deletions are so many that somebody has to say that they are meant.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The most that is deleted at once, of what the target has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// Nobody said: 100 objects, and one in a hundred. An empty source, which is a mistake more often than not, is above
    /// that whatever the target's size.
    Default,
    /// So many objects.
    Objects(u64),
    /// So many of a hundred.
    Percent(u8),
}

impl Threshold {
    const OBJECTS: u64 = 100;
    const PERCENT: u8 = 1;

    /// Whether `extra` of the `all` objects of a target may be deleted.
    pub fn allows(self, extra: u64, all: u64) -> bool {
        let within = |percent: u8| u128::from(extra) * 100 <= u128::from(all) * u128::from(percent);
        match self {
            Self::Default => extra <= Self::OBJECTS && within(Self::PERCENT),
            Self::Objects(most) => extra <= most,
            Self::Percent(percent) => within(percent),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(out, "{} objects and {} %", Self::OBJECTS, Self::PERCENT),
            Self::Objects(most) => write!(out, "{most} objects"),
            Self::Percent(percent) => write!(out, "{percent} %"),
        }
    }
}

/// What is no threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("write a number of objects, or 0% to 100%")]
pub struct InvalidThreshold;

impl FromStr for Threshold {
    type Err = InvalidThreshold;

    fn from_str(text: &str) -> Result<Self, InvalidThreshold> {
        let Some(percent) = text.strip_suffix('%') else {
            return text.parse().map(Self::Objects).map_err(|_| InvalidThreshold);
        };
        let percent = percent.trim_end().parse().ok().filter(|percent| *percent <= 100);
        percent.map(Self::Percent).ok_or(InvalidThreshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_both_bounds_hold() {
        for (extra, all, is_allowed) in [
            (0, 0, true),
            (1, 99, false),
            (1, 100, true),
            (100, 10_000, true),
            (101, 1_000_000, false),
            (50, 50, false),
        ] {
            assert_eq!(Threshold::Default.allows(extra, all), is_allowed, "{extra} of {all}");
        }
    }

    #[test]
    fn an_operator_says_a_number_or_a_share() {
        assert_eq!("7".parse(), Ok(Threshold::Objects(7)));
        assert_eq!("25%".parse(), Ok(Threshold::Percent(25)));
        assert_eq!("100 %".parse(), Ok(Threshold::Percent(100)));
        for text in ["", "%", "-1", "101%", "1.5%", "all"] {
            assert_eq!(text.parse::<Threshold>(), Err(InvalidThreshold), "{text}");
        }
        assert!(Threshold::Objects(7).allows(7, 7) && !Threshold::Objects(7).allows(8, 1000));
        assert!(Threshold::Percent(25).allows(1, 4) && !Threshold::Percent(25).allows(2, 7));
        assert!(Threshold::Percent(100).allows(u64::MAX, u64::MAX));
        assert!(!Threshold::Percent(0).allows(1, u64::MAX));
    }
}
