//! The larger tests of `wharf-wire`, against data and code that others wrote.
//!
//! `cfg(test)` is always on here; it says to clippy that helpers, too, may unwrap.

#[cfg(test)]
mod against_aws;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod verification;
