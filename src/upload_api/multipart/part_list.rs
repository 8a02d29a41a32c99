//! The parts that an object is to be made of, as a client lists them.
//!
//! Ten thousand of them are milliseconds of work, so they are read some at a time, like URLs are written.

use wharf_wire::{checksum::Md5Hasher, xml};

use super::urls::pause_after;
use crate::{
    error::{Code, Error},
    mirror::tee::quoted,
};

/// S3's highest part number.
const NUMBER_MAX: u16 = 10_000;

/// Bytes of an `ETag` that any store has reason to make.
const ETAG_BYTES_MAX: usize = 256;

/// Numbers and `ETag`s, in the order of the numbers, each number once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartList(Vec<(u16, String)>);

impl PartList {
    /// Reads, checks and sorts what a client lists: numbers with `ETag`s, in any order, with quotes or without.
    pub(crate) async fn read<T: AsRef<str>>(
        listed: impl Iterator<Item = Result<(u64, T), Error>>,
    ) -> Result<Self, Error> {
        let mut parts = Vec::new();
        for (index, part) in listed.enumerate() {
            if index == usize::from(NUMBER_MAX) {
                return Err(refused(format!("`parts` has more than {NUMBER_MAX} entries.")));
            }
            let (number, etag) = part?;
            parts.push((part_number(number)?, checked_etag(number, etag.as_ref())?));
            pause_after(index).await;
        }
        Self::sorted(parts)
    }

    fn sorted(mut parts: Vec<(u16, String)>) -> Result<Self, Error> {
        if parts.is_empty() {
            return Err(refused("`parts` is empty: an object is made of one part or more."));
        }
        parts.sort_unstable_by_key(|(number, _)| *number);
        let twice = parts.windows(2).find_map(|pair| match pair {
            [(one, _), (other, _)] if one == other => Some(*one),
            _ => None,
        });
        if let Some(number) = twice {
            return Err(refused(format!("Part {number} is in `parts` more than once."))
                .hint("List each part once, with the ETag of the last time that it was sent."));
        }
        Ok(Self(parts))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The `ETag` of part `number`, with its quotes, if it is listed.
    pub(super) fn etag(&self, number: u16) -> Option<&str> {
        let index = self.0.binary_search_by_key(&number, |(listed, _)| *listed).ok()?;
        self.0.get(index).map(|(_, etag)| etag.as_str())
    }

    /// What a provider is sent.
    pub(super) fn document(&self) -> String {
        let parts: Vec<_> = self.0.iter().map(|(number, etag)| (*number, etag.as_str())).collect();
        xml::write_complete_multipart(&parts)
    }

    /// What mirrors are told.
    pub(super) fn to_vec(&self) -> Vec<(u16, String)> {
        self.0.clone()
    }

    /// The `ETag` that S3 gives an object of these parts: the MD5 of their MD5s. `None` where an `ETag` is no MD5.
    pub(super) fn object_etag(&self) -> Option<String> {
        let mut md5 = Md5Hasher::default();
        for (_, etag) in &self.0 {
            let mut digest = [0; 16];
            hex::decode_to_slice(etag.trim_matches('"'), &mut digest).ok()?;
            md5.update(&digest);
        }
        let etag = md5.finish().to_etag();
        Some(format!("{}-{}\"", etag.trim_end_matches('"'), self.len()))
    }
}

/// A part's number, if it can be one.
pub(crate) fn part_number(number: u64) -> Result<u16, Error> {
    let known = u16::try_from(number).ok().filter(|number| (1..=NUMBER_MAX).contains(number));
    known.ok_or_else(|| refused(format!("A part's number is from 1 to {NUMBER_MAX}.")))
}

fn checked_etag(number: u64, etag: &str) -> Result<String, Error> {
    let bare = etag.trim().trim_matches('"');
    let is_plain = bare.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if bare.is_empty() || bare.len() > ETAG_BYTES_MAX || !is_plain {
        return Err(refused(format!("The ETag of part {number} is none."))
            .hint("It is in the header `ETag` of the reply to the part's PUT."));
    }
    Ok(quoted(bare))
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidPartsFormat, message)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    /// So few of them are read in one go.
    fn read(listed: &[(u64, &str)]) -> Result<PartList, Error> {
        PartList::read(listed.iter().copied().map(Ok)).now_or_never().unwrap()
    }

    fn parse(listed: &[(u64, &str)]) -> Result<Vec<(u16, String)>, String> {
        read(listed).map(|list| list.to_vec()).map_err(|error| error.message.into_owned())
    }

    #[test]
    fn no_more_are_read_than_an_object_can_have() {
        let endless = std::iter::repeat_with(|| Ok((1, "a")));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let refusal = runtime.block_on(PartList::read(endless)).unwrap_err();
        assert!(refusal.message.contains("more than 10000"), "{refusal:?}");
    }

    #[test]
    fn parts_are_sorted_and_their_etags_quoted() {
        let sorted = [(1, "\"a\"".to_owned()), (2, "\"b\"".to_owned()), (10_000, "\"c\"".to_owned())];
        assert_eq!(parse(&[(10_000, " \"c\" "), (2, "b"), (1, "\"a\"")]), Ok(sorted.to_vec()));
        let list = read(&[(3, "a"), (7, "b")]).unwrap();
        assert_eq!([2, 3, 4, 7].map(|number| list.etag(number)), [None, Some("\"a\""), None, Some("\"b\"")]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let long = "e".repeat(ETAG_BYTES_MAX + 1);
        for (listed, part) in [
            (vec![], "is empty"),
            (vec![(0, "a")], "from 1 to 10000"),
            (vec![(10_001, "a")], "from 1 to 10000"),
            (vec![(u64::MAX, "a")], "from 1 to 10000"),
            (vec![(2, "a"), (1, "b"), (2, "a")], "Part 2 is in"),
            (vec![(1, "")], "ETag of part 1"),
            (vec![(1, "\"\"")], "ETag of part 1"),
            (vec![(1, "a b")], "ETag of part 1"),
            (vec![(1, "a\r\nb")], "ETag of part 1"),
            (vec![(1, long.as_str())], "ETag of part 1"),
        ] {
            let refusal = parse(&listed).unwrap_err();
            assert!(refusal.contains(part), "{listed:?}: {refusal}");
        }
    }

    /// The example of <https://developers.cloudflare.com/r2/objects/multipart-objects/>.
    #[test]
    fn an_object_s_etag_follows_from_its_parts() {
        let etags = ["bce6bf66aeb76c7040fdd5f4eccb78e6", "8165449fc15bbf43d3b674595cbcc406"];
        let list = read(&[(2, etags[1]), (1, etags[0])]).unwrap();
        assert_eq!(list.object_etag().as_deref(), Some("\"f77dc0eecdebcd774a2a22cb393ad2ff-2\""));
        let no_digest = read(&[(1, etags[0]), (2, "opaque")]).unwrap();
        assert_eq!(no_digest.object_etag(), None);
    }
}
