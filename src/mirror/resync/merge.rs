//! Two ordered listings as one: which keys are on both sides, and which on one alone. Pure.
//!
//! ```text
//! source   a   b       d   e │ not listed yet        push(side, page)
//! target   a       c   d     │ not listed yet        step() → a|a  b|·  ·|c  d|d  Need(target)
//! ```
//!
//! It holds at most a page of each side. All of it rests on both sides listing in S3's order, which is that of the keys'
//! bytes in UTF-8; a side that does not is found out, for somewhere in its list a key stands before a smaller one.

use std::{cmp::Ordering, collections::VecDeque};

use thiserror::Error;
use wharf_wire::date::Timestamp;

use crate::transfer::Side;

/// An object as a listing has it, under the caller's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The caller's key.
    pub key: String,
    /// Its `ETag`, if the store lists it.
    pub etag: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// When it was written, if the store says so.
    pub last_modified: Option<Timestamp>,
}

/// A key, and what each side has of it. At least one has something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The caller's key.
    pub key: String,
    /// What the source lists.
    pub source: Option<Listed>,
    /// What the target lists.
    pub target: Option<Listed>,
}

impl Pair {
    /// Whether both sides list it.
    pub fn is_on_both(&self) -> bool {
        self.source.is_some() && self.target.is_some()
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This key.
    Pair(Pair),
    /// Nothing before the next page of this side is there.
    Need(Side),
    /// Nothing more.
    End,
}

/// A side lists in another order. Nothing can be said of what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the {side} lists its keys in another order than S3, in bytes of UTF-8: `{before}` comes before `{after}` there, so \
     what it lacks cannot be told"
)]
pub struct Disordered {
    /// Which one.
    pub side: Side,
    /// The key that came first.
    pub before: String,
    /// The one that came behind it, and should not have.
    pub after: String,
}

/// The merge of two listings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    source: Queue,
    target: Queue,
}

impl Merge {
    /// Of the keys behind `cursor`, or of all.
    pub fn behind(cursor: Option<&str>) -> Self {
        let queue = Queue { behind: cursor.map(str::to_owned), ..Queue::default() };
        Self { source: queue.clone(), target: queue }
    }

    /// Adds the next page of `side`.
    pub fn push(&mut self, side: Side, page: Vec<Listed>, is_last: bool) -> Result<(), Disordered> {
        let queue = match side {
            Side::Source => &mut self.source,
            Side::Target => &mut self.target,
        };
        queue.is_whole = is_last;
        page.into_iter().try_for_each(|listed| queue.push(side, listed))
    }

    /// The next key in order, or why there is none yet. It takes both sides' next keys to know which one is first.
    pub fn step(&mut self) -> Next {
        let order = match (self.source.first(), self.target.first()) {
            (First::Unknown, _) => return Next::Need(Side::Source),
            (_, First::Unknown) => return Next::Need(Side::Target),
            (First::None, First::None) => return Next::End,
            (First::Key(_), First::None) => Ordering::Less,
            (First::None, First::Key(_)) => Ordering::Greater,
            (First::Key(source), First::Key(target)) => source.cmp(target),
        };
        let source = if order.is_le() { self.source.listed.pop_front() } else { None };
        let target = if order.is_ge() { self.target.listed.pop_front() } else { None };
        let first = source.as_ref().or(target.as_ref());
        first
            .map(|listed| listed.key.clone())
            .map_or(Next::End, |key| Next::Pair(Pair { key, source, target }))
    }
}

/// What one side has listed, and was not looked at yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Queue {
    /// Keys up to this one are passed over: a store may not know how to begin behind it.
    behind: Option<String>,
    last: Option<String>,
    listed: VecDeque<Listed>,
    is_whole: bool,
}

/// The first key of a side.
enum First<'a> {
    Key(&'a str),
    None,
    Unknown,
}

impl Queue {
    fn push(&mut self, side: Side, listed: Listed) -> Result<(), Disordered> {
        if let Some(before) = self.last.take().filter(|last| *last >= listed.key) {
            return Err(Disordered { side, before, after: listed.key });
        }
        self.last = Some(listed.key.clone());
        if self.behind.as_ref().is_none_or(|behind| *behind < listed.key) {
            self.listed.push_back(listed);
        }
        Ok(())
    }

    fn first(&self) -> First<'_> {
        match self.listed.front() {
            Some(listed) => First::Key(&listed.key),
            None if self.is_whole => First::None,
            None => First::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::*;

    fn listed(key: &str) -> Listed {
        Listed { key: key.to_owned(), etag: None, bytes: 0, last_modified: None }
    }

    /// Pages of `keys`, as large as they come.
    fn pages(keys: &BTreeSet<String>, size: usize) -> VecDeque<(Vec<Listed>, bool)> {
        let keys: Vec<_> = keys.iter().map(|key| listed(key)).collect();
        let mut pages: VecDeque<_> = keys.chunks(size).map(|page| (page.to_vec(), false)).collect();
        // An empty page at the end is what some stores send.
        pages.push_back((Vec::new(), true));
        pages
    }

    /// Every key with whether the source and the target have it, in the order in which the merge gives them.
    fn merged(
        mut merge: Merge,
        mut source: VecDeque<(Vec<Listed>, bool)>,
        mut target: VecDeque<(Vec<Listed>, bool)>,
    ) -> Vec<(String, bool, bool)> {
        let mut pairs = Vec::new();
        loop {
            match merge.step() {
                Next::Pair(pair) => pairs.push((pair.key, pair.source.is_some(), pair.target.is_some())),
                Next::Need(side) => {
                    let pages = if side == Side::Source { &mut source } else { &mut target };
                    let (page, is_last) = pages.pop_front().unwrap();
                    merge.push(side, page, is_last).unwrap();
                }
                Next::End => return pairs,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_comes_out_is_the_union_in_order(
            source in proptest::collection::btree_set("[a-c+ /ü]{1,3}|\\PC{1,4}", 0..40),
            target in proptest::collection::btree_set("[a-c+ /ü]{1,3}|\\PC{1,4}", 0..40),
            (source_page, target_page) in (1..9_usize, 1..9_usize),
        ) {
            let pairs = merged(Merge::behind(None), pages(&source, source_page), pages(&target, target_page));
            let union: BTreeSet<_> = source.union(&target).collect();
            let expected: Vec<_> =
                union.into_iter().map(|key| (key.clone(), source.contains(key), target.contains(key))).collect();
            prop_assert_eq!(pairs, expected);
        }

        #[test]
        fn a_walk_that_goes_on_sees_the_rest(
            keys in proptest::collection::btree_map("[a-z]{1,2}", (0..3_u8, 0..2_u8), 1..30),
            at in "[a-z]{1,2}",
        ) {
            let of = |wanted: u8| -> BTreeSet<String> {
                let has = |(_, (side, _)): &(&String, &(u8, u8))| *side == wanted || *side == 2;
                keys.iter().filter(has).map(|(key, _)| key.clone()).collect()
            };
            // A store that knows no such beginning lists everything again.
            let pairs = merged(Merge::behind(Some(&at)), pages(&of(0), 4), pages(&of(1), 4));
            let rest: BTreeMap<_, _> = keys.iter().filter(|(key, _)| **key > at).collect();
            prop_assert_eq!(pairs.iter().map(|(key, ..)| key).collect::<Vec<_>>(), rest.into_keys().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_side_in_another_order_is_found_out() {
        for (page, before, after) in [
            (["a/b", "a-b"], "a/b", "a-b"),
            // UTF-16, in which what needs two units stands before what needs one.
            (["\u{1f600}", "\u{ff5e}"], "\u{1f600}", "\u{ff5e}"),
            (["a", "B"], "a", "B"),
            (["a", "a"], "a", "a"),
        ] {
            let mut merge = Merge::behind(None);
            let page: Vec<_> = page.iter().map(|key| listed(key)).collect();
            let error = merge.push(Side::Target, page, false).unwrap_err();
            assert_eq!(
                (error.side, error.before.as_str(), error.after.as_str()),
                (Side::Target, before, after)
            );
        }
    }

    #[test]
    fn the_order_holds_across_pages_and_before_the_cursor() {
        let mut merge = Merge::behind(Some("m"));
        merge.push(Side::Source, vec![listed("b")], false).unwrap();
        assert_eq!(merge.step(), Next::Need(Side::Source));
        assert!(merge.push(Side::Source, vec![listed("a")], false).is_err());
    }

    #[test]
    fn nothing_is_said_of_a_key_before_the_other_side_has_come_so_far() {
        let mut merge = Merge::behind(None);
        merge.push(Side::Source, vec![listed("a")], true).unwrap();
        assert_eq!(merge.step(), Next::Need(Side::Target));
        merge.push(Side::Target, Vec::new(), false).unwrap();
        assert_eq!(merge.step(), Next::Need(Side::Target));
        merge.push(Side::Target, vec![listed("b")], false).unwrap();
        let Next::Pair(pair) = merge.step() else { panic!("`a` is missing at the target for certain") };
        assert_eq!((pair.key.as_str(), pair.target), ("a", None));
    }
}
