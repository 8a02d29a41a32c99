//! Which element the input is in.

use super::{super::DEPTH_MAX, RewriteError};

/// The names of the elements that are open, outermost first, joined by slashes.
#[derive(Debug, Default)]
pub(super) struct Path {
    joined: Vec<u8>,
    /// Where each name starts in `joined`.
    starts: Vec<usize>,
}

impl Path {
    pub(super) fn enter(&mut self, name: &[u8]) -> Result<(), RewriteError> {
        if self.starts.len() == DEPTH_MAX {
            return Err(RewriteError::TooDeep);
        }
        if !self.joined.is_empty() {
            self.joined.push(b'/');
        }
        self.starts.push(self.joined.len());
        self.joined.extend_from_slice(name);
        Ok(())
    }

    /// Closes the innermost element, which must be called `name`.
    pub(super) fn leave(&mut self, name: &[u8]) -> Result<(), RewriteError> {
        let start = self.starts.pop().ok_or(RewriteError::Malformed)?;
        if self.joined.get(start..) != Some(name) {
            return Err(RewriteError::Malformed);
        }
        self.joined.truncate(start.saturating_sub(1));
        Ok(())
    }

    pub(super) fn depth(&self) -> usize {
        self.starts.len()
    }

    /// `Contents/Key`; empty for the root itself.
    pub(super) fn below_root(&self) -> &[u8] {
        self.starts.get(1).and_then(|start| self.joined.get(*start..)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_in_and_out() {
        let mut path = Path::default();
        path.enter(b"ListBucketResult").unwrap();
        assert_eq!((path.depth(), path.below_root()), (1, b"".as_slice()));
        path.enter(b"Contents").unwrap();
        path.enter(b"Key").unwrap();
        assert_eq!((path.depth(), path.below_root()), (3, b"Contents/Key".as_slice()));
        path.leave(b"Key").unwrap();
        path.enter(b"Owner").unwrap();
        assert_eq!(path.below_root(), b"Contents/Owner");
        assert_eq!(path.leave(b"Key"), Err(RewriteError::Malformed));
    }

    #[test]
    fn has_a_floor_and_a_ceiling() {
        let mut path = Path::default();
        assert_eq!(path.leave(b"a"), Err(RewriteError::Malformed));
        for _ in 0..DEPTH_MAX {
            path.enter(b"a").unwrap();
        }
        assert_eq!(path.enter(b"a"), Err(RewriteError::TooDeep));
    }
}
