//! Points in time as S3 writes them. Reading a clock happens elsewhere; a time is an argument here.

use std::time::{Duration, SystemTime};

use time::{
    Date, Month, OffsetDateTime, PrimitiveDateTime,
    format_description::{StaticFormatDescription, well_known::Rfc3339},
    macros::format_description,
};

const HTTP_DATE: StaticFormatDescription =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// 9999-12-31T23:59:59.999Z: later years have five digits, which no date format of S3 can hold.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// A point in time, in whole milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch. Times after the year 9999 are held at its end.
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(if millis > LAST_MILLIS { LAST_MILLIS } else { millis })
    }

    /// From whole seconds since the Unix epoch, held in the same way.
    pub const fn from_unix_seconds(seconds: u64) -> Self {
        Self::from_unix_millis(seconds.saturating_mul(1000))
    }

    /// From the form that HTTP prefers, `Fri, 24 May 2013 00:00:00 GMT`.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let utc = PrimitiveDateTime::parse(text, HTTP_DATE).ok()?.assume_utc();
        let seconds = u64::try_from(utc.unix_timestamp()).ok()?;
        Some(Self::from_unix_seconds(seconds))
    }

    /// From the form that S3's documents have, `2013-05-24T00:00:00.000Z`. What is less than a millisecond is dropped.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        let millis = u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()?;
        Some(Self::from_unix_millis(millis))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// This time and `seconds` more; never after the year 9999.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self::from_unix_millis(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Whole seconds from `earlier` until this time; none if it is not earlier.
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    /// The form that `SigV4` uses, `20130524T000000Z`.
    pub fn amz_date(self) -> AmzDate {
        let [century, year, month, day, hour, minute, second] = self.pairs();
        let mut text = *b"00000000T000000Z";
        let (date, clock) = text.split_at_mut(AmzDate::DAY_BYTES + 1);
        write_pairs(date, &[century, year, month, day]);
        write_pairs(clock, &[hour, minute, second]);
        AmzDate { text, seconds: self.unix_seconds() }
    }

    /// RFC 3339 in UTC with milliseconds, `2013-05-24T00:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        let millis = self.0 % 1000;
        let [hundreds, rest] = [millis / 100, millis % 100].map(|number| number.to_le_bytes()[0]);
        let mut text = String::with_capacity("0000-00-00T00:00:00.000Z".len());
        for (number, after) in self.pairs().into_iter().zip(["", "-", "-", "T", ":", ":", "."]) {
            text.extend(digits(number).map(char::from));
            text.push_str(after);
        }
        text.push(char::from(b'0' + hundreds));
        text.extend(digits(rest).map(char::from));
        text.push('Z');
        text
    }

    /// The calendar's view, each number below 100: century, year in it, month, day, hour, minute and second.
    fn pairs(self) -> [u8; 7] {
        let seconds = i64::try_from(self.unix_seconds()).unwrap_or_default();
        // Cannot fail: a `Timestamp` ends with the year 9999, as `time`'s range does.
        let utc = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let year = u16::try_from(utc.year()).unwrap_or_default();
        let [century, year] = [year / 100, year % 100].map(|pair| pair.to_le_bytes()[0]);
        [century, year, u8::from(utc.month()), utc.day(), utc.hour(), utc.minute(), utc.second()]
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        SystemTime::UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

/// Writes each number as two decimal digits. Numbers are below 100.
fn write_pairs(out: &mut [u8], numbers: &[u8]) {
    for (pair, number) in out.as_chunks_mut::<2>().0.iter_mut().zip(numbers) {
        *pair = digits(*number);
    }
}

/// Reads as many pairs of decimal digits.
fn read_pairs<const COUNT: usize>(text: &[u8]) -> Option<[u8; COUNT]> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    let mut numbers = [0; COUNT];
    for (number, [tens, ones]) in numbers.iter_mut().zip(text.as_chunks().0) {
        *number = digit(*tens)? * 10 + digit(*ones)?;
    }
    Some(numbers)
}

/// The two decimal digits of a number below 100.
fn digits(number: u8) -> [u8; 2] {
    [b'0' + number / 10, b'0' + number % 10]
}

/// A time in the basic ISO 8601 form of `SigV4`, sixteen ASCII bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmzDate {
    text: [u8; 16],
    seconds: u64,
}

impl AmzDate {
    const DAY_BYTES: usize = 8;

    /// A date as [`Self::as_str`] writes it, from the year 1970 on.
    pub fn parse(text: &str) -> Option<Self> {
        let text: [u8; 16] = text.as_bytes().try_into().ok()?;
        let (date, clock) = text.split_at(Self::DAY_BYTES);
        let [century, year, month, day] = read_pairs(date)?;
        let [hour, minute, second] = read_pairs(clock.strip_prefix(b"T")?.strip_suffix(b"Z")?)?;
        let year = i32::from(century) * 100 + i32::from(year);
        let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()?;
        let utc = date.with_hms(hour, minute, second).ok()?.assume_utc();
        Some(Self { text, seconds: utc.unix_timestamp().try_into().ok()? })
    }

    /// `20130524T000000Z`
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.text).unwrap_or_default()
    }

    /// `20130524`, the day of a credential scope.
    pub fn day(&self) -> &str {
        self.as_str().get(..Self::DAY_BYTES).unwrap_or_default()
    }

    /// The same time, in whole seconds.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.seconds.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_dates_of_the_s3_documentation() {
        let time = Timestamp::from_unix_millis(1_369_353_600_000);
        assert_eq!(time.amz_date().as_str(), "20130524T000000Z");
        assert_eq!(time.amz_date().day(), "20130524");
        assert_eq!(time.rfc3339(), "2013-05-24T00:00:00.000Z");
    }

    #[test]
    fn knows_leap_days_and_the_ends_of_its_range() {
        for (millis, amz, rfc3339) in [
            (0, "19700101T000000Z", "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "20000229T123456Z", "2000-02-29T12:34:56.789Z"),
            (4_107_542_399_001, "21000228T235959Z", "2100-02-28T23:59:59.001Z"),
            (u64::MAX, "99991231T235959Z", "9999-12-31T23:59:59.999Z"),
        ] {
            let time = Timestamp::from_unix_millis(millis);
            assert_eq!((time.amz_date().as_str(), time.rfc3339().as_str()), (amz, rfc3339));
        }
    }

    #[test]
    fn adding_saturates() {
        let last = Timestamp::from_unix_millis(u64::MAX);
        assert_eq!(last.plus_seconds(u64::MAX), last);
        assert_eq!(Timestamp::from_unix_millis(1_500).plus_seconds(2).unix_millis(), 3_500);
    }

    #[test]
    fn an_amz_date_keeps_whole_seconds() {
        let date = Timestamp::from_unix_millis(1_369_353_600_999).amz_date();
        assert_eq!(date.timestamp().unix_millis(), 1_369_353_600_000);
    }

    #[test]
    fn only_its_own_form_is_an_amz_date() {
        for text in ["20130524T000000Z", "19700101T000000Z", "20000229T123456Z", "99991231T235959Z"] {
            assert_eq!(AmzDate::parse(text).unwrap().as_str(), text);
        }
        for text in [
            "",
            "20130524T000000",
            "20130524T000000z",
            "20130524t000000Z",
            "20130524T000000Z ",
            "+20130524T00000Z",
            "2013-05-24T00:00:00Z",
            "20130532T000000Z",
            "20130229T000000Z",
            "20130524T240000Z",
            "20130524T000060Z",
            "19691231T235959Z",
            "00000101T000000Z",
        ] {
            assert_eq!(AmzDate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn reads_the_date_of_http() {
        let read = |text| Timestamp::from_http_date(text).map(Timestamp::unix_millis);
        assert_eq!(read("Fri, 24 May 2013 00:00:00 GMT"), Some(1_369_353_600_000));
        for text in [
            "",
            "Fri, 24 May 2013 00:00:00",
            "Fri, 24 May 2013 00:00:00 +0100",
            "Wed, 31 Dec 1969 23:59:59 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn reads_the_date_of_listings() {
        let read = |text| Timestamp::from_rfc3339(text).map(Timestamp::unix_millis);
        assert_eq!(read("2013-05-24T00:00:00.000Z"), Some(1_369_353_600_000));
        assert_eq!(read("2013-05-24T00:00:00Z"), Some(1_369_353_600_000));
        assert_eq!(read("2013-05-24T02:00:00.123456789+02:00"), Some(1_369_353_600_123));
        for text in ["", "2013-05-24", "2013-05-24T00:00:00", "1969-12-31T23:59:59.000Z"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
