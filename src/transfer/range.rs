//! Which bytes a request is for.

const MIB: u64 = 1 << 20;

/// S3's most.
const PARTS_MAX: u64 = 10_000;

/// Bytes of a part, if they are enough for the object.
const PART_BYTES: u64 = 64 * MIB;

/// Some bytes of an object, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u64,
    last: u64,
}

impl Range {
    /// Reads `x-amz-copy-source-range`, which is stricter than `Range`: `bytes=first-last`, both of them there.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (first, last) = str::from_utf8(value).ok()?.strip_prefix("bytes=")?.split_once('-')?;
        let range = Self { first: number(first)?, last: number(last)? };
        Some(range).filter(|range| range.first <= range.last)
    }

    /// How many they are.
    pub const fn bytes(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }

    /// As the header `Range` has it.
    pub(super) fn header(self) -> String {
        format!("bytes={}-{}", self.first, self.last)
    }

    /// Whether `Content-Range` says that these bytes came, and no others.
    pub(super) fn is_what_came(self, content_range: &str) -> bool {
        let whole = format!("bytes {}-{}/", self.first, self.last);
        content_range.starts_with(&whole)
    }
}

/// `parse` would take a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The parts of an object of `bytes`: all of one size but the last, as some providers want them, and no more than S3
/// takes.
pub(super) fn parts(bytes: u64) -> impl Iterator<Item = Range> {
    let least = bytes.div_ceil(PARTS_MAX);
    let size = if least > PART_BYTES { least.next_multiple_of(MIB) } else { PART_BYTES };
    let firsts = (0..bytes.div_ceil(size)).map(move |index| index * size);
    firsts.map(move |first| Range { first, last: bytes.min(first.saturating_add(size)) - 1 })
}

/// How many requests read an object of `bytes`, or write it but for what begins and ends an upload in parts.
pub fn part_count(bytes: u64) -> u64 {
    parts(bytes).fold(0, |count, _| count + 1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_both_ends_and_nothing_else() {
        for (text, range) in [("bytes=0-0", (0, 0)), ("bytes=5-18446744073709551615", (5, u64::MAX))] {
            let (first, last) = range;
            assert_eq!(Range::parse(text.as_bytes()).unwrap(), Range { first, last });
            assert_eq!(Range::parse(text.as_bytes()).unwrap().header(), text);
        }
        for text in [
            "",
            "bytes=",
            "bytes=-",
            "bytes=-5",
            "bytes=5-",
            "bytes=6-5",
            "bytes=+0-5",
            "bytes=0-5,7-9",
            "bytes= 0-5",
            "Bytes=0-5",
            "0-5",
            "bytes=0-18446744073709551616",
        ] {
            assert_eq!(Range::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_came_is_what_was_asked() {
        let range = Range { first: 5, last: 9 };
        for (text, is_it) in
            [("bytes 5-9/10", true), ("bytes 5-9/*", true), ("bytes 5-8/9", false), ("bytes 5-99/100", false)]
        {
            assert_eq!(range.is_what_came(text), is_it, "{text}");
        }
    }

    #[test]
    fn parts_cover_an_object_without_a_gap() {
        for (bytes, count) in [
            (1, 1),
            (64 * MIB, 1),
            (64 * MIB + 1, 2),
            (640_000 * MIB, 10_000),
            (640_000 * MIB + 1, 9_847),
            (50_000 << 30, 10_000),
        ] {
            let parts: Vec<_> = parts(bytes).collect();
            assert_eq!(parts.len(), count, "{bytes}");
            assert_eq!((parts[0].first, parts[count - 1].last), (0, bytes - 1));
            let size = parts[0].last + 1;
            for pair in parts.windows(2) {
                assert_eq!((pair[1].first, pair[0].last - pair[0].first + 1), (pair[0].last + 1, size));
            }
        }
    }
}
