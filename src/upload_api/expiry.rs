//! How long a signed URL lives: as the caller said, else as long as the upload will take, else the default.
//!
//! A URL that dies while a slow client still uploads costs the whole upload; one that lives for a week can leak. With
//! the size of a file and what the browser knows of its network, the time in between can be estimated.

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Code, Error};

use super::body::{ExpiryFields, NetworkInfo, Number, Text};

/// Seconds that any URL lives at the least: less than this is over before a person has clicked.
pub(super) const SECONDS_MIN: u32 = 60;

/// Seconds that any URL lives at the most, by S3's rules (seven days).
pub(super) const SECONDS_MAX: u32 = 604_800;

/// Seconds below which an estimate is not followed unless the caller says so: people pause, and clocks are off.
const ESTIMATE_SECONDS_MIN: u32 = 300;

/// How much longer than the estimate a URL lives when the caller does not say: half as long again.
const BUFFER_DEFAULT: f64 = 1.5;

/// The largest buffer that makes sense; beyond it the caller means `expiresIn`.
const BUFFER_MAX: f64 = 10.0;

/// The share of the measured downlink that an upload gets: lines are asymmetric and browsers report the better half.
const UPLINK_SHARE: f64 = 0.25;

/// Round trips before the first byte of a file is on its way: DNS, TCP, TLS and the request itself.
const ROUND_TRIPS: f64 = 4.0;

/// What bounds a choice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Seconds when nothing else decides.
    pub(super) default: u32,
    /// Seconds that the provider allows.
    pub(super) provider_max: u32,
    /// Seconds until the end of the token that the caller came with: what was signed with it ends with it, as far as anything
    /// can be so short.
    pub(super) caller_ends_in: Option<u64>,
}

impl Bounds {
    /// Of what Wharf makes by itself, for a caller who came with no token.
    pub(super) const fn own(default: u32) -> Self {
        Self { default, provider_max: SECONDS_MAX, caller_ends_in: None }
    }

    fn longest(self) -> u32 {
        let left = self.caller_ends_in.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(SECONDS_MAX);
        self.provider_max.min(left.max(SECONDS_MIN)).min(SECONDS_MAX)
    }
}

/// How long a URL lives, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expiry {
    pub(super) seconds: u32,
    pub(super) smart: SmartExpiry,
}

/// `smartExpiry` of a reply.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize)]
#[serde(untagged)]
pub(super) enum SmartExpiry {
    /// Something else decided.
    Unused { applied: bool, reason: &'static str },
    /// The estimate decided.
    Used(Box<Estimate>),
}

/// What an estimate stands on.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Estimate {
    applied: bool,
    reason: &'static str,
    calculated_expiry: u32,
    estimated_upload_time: u64,
    network_type: &'static str,
    buffer_time: u64,
    reasoning: Reasoning,
}

/// The same for people.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reasoning {
    file_size: String,
    network_type: &'static str,
    network_speed: String,
    estimated_upload_time: String,
    buffer_multiplier: String,
    buffer_time: String,
    final_expiry: String,
}

/// Chooses for an upload of `file_bytes`, or for anything else (`None`).
pub(super) fn choose(
    fields: &ExpiryFields<'_>,
    file_bytes: Option<u64>,
    bounds: Bounds,
) -> Result<Expiry, Error> {
    let longest = bounds.longest();
    if let Some(asked) = fields.expires_in {
        let seconds = whole_seconds(asked, "expiresIn", longest)?;
        return Ok(Expiry { seconds, smart: unused("`expiresIn` was given.") });
    }
    let bound = |asked: Option<Number>, field| asked.map(|it| whole_seconds(it, field, longest)).transpose();
    let seconds_min = bound(fields.seconds_min, "minExpirySeconds")?;
    let seconds_max = bound(fields.seconds_max, "maxExpirySeconds")?.unwrap_or(longest);
    if seconds_min.is_some_and(|seconds_min| seconds_min > seconds_max) {
        let message = "`minExpirySeconds` is larger than `maxExpirySeconds`.";
        return Err(Error::new(Code::InvalidField, message));
    }
    let buffer = buffer_multiplier(fields.buffer_multiplier)?;
    let is_wanted = fields.network.is_some() || fields.buffer_multiplier.is_some();
    match file_bytes {
        Some(file_bytes) if is_wanted => {
            let seconds_min = seconds_min.unwrap_or(ESTIMATE_SECONDS_MIN.min(seconds_max));
            Ok(estimate(&Network::of(fields.network.as_ref()), buffer, file_bytes, seconds_min..=seconds_max))
        }
        Some(_) | None => {
            let seconds = bounds.default.clamp(seconds_min.unwrap_or(SECONDS_MIN), seconds_max);
            let reason =
                "Neither `expiresIn` nor a file's size with `networkInfo` was given: the default holds.";
            Ok(Expiry { seconds, smart: unused(reason) })
        }
    }
}

const fn unused(reason: &'static str) -> SmartExpiry {
    SmartExpiry::Unused { applied: false, reason }
}

fn estimate(network: &Network, buffer: f64, file_bytes: u64, range: std::ops::RangeInclusive<u32>) -> Expiry {
    let upload = network.upload_seconds(file_bytes);
    let needed = (upload * buffer).ceil();
    let seconds = ceil_seconds(needed.clamp(f64::from(*range.start()), f64::from(*range.end())));
    let (upload, buffered) = (ceil_seconds(upload), ceil_seconds(upload * (buffer - 1.0)));
    let reasoning = Reasoning {
        file_size: format!("{file_bytes} bytes"),
        network_type: network.name,
        network_speed: format!("{:.0} bytes per second", network.bytes_per_second),
        estimated_upload_time: format!("{upload} s"),
        buffer_multiplier: format!("{buffer}"),
        buffer_time: format!("{buffered} s"),
        final_expiry: format!("{seconds} s, within {} to {} s", range.start(), range.end()),
    };
    // The range ends at a week, so this is exact.
    let seconds = u32::try_from(seconds).unwrap_or(SECONDS_MAX);
    let estimate = Estimate {
        applied: true,
        reason: "`expiresIn` was not given: the file's size and the network decide.",
        calculated_expiry: seconds,
        estimated_upload_time: upload,
        network_type: network.name,
        buffer_time: buffered,
        reasoning,
    };
    Expiry { seconds, smart: SmartExpiry::Used(Box::new(estimate)) }
}

/// Whole seconds, rounded up. Times beyond what numbers hold exactly (285 million years) end there.
fn ceil_seconds(seconds: f64) -> u64 {
    Number(seconds.ceil()).whole().unwrap_or(1 << 53)
}

/// A client's network, as far as it is known.
struct Network {
    name: &'static str,
    bytes_per_second: f64,
    round_trip_seconds: f64,
}

impl Network {
    /// The kinds that browsers report (WICG, "Network Information API": `effectiveType`), `wifi` beside them, and what
    /// an upload can count on there in bytes per second. The last line is for all others.
    const KINDS: [(&'static str, f64); 6] = [
        ("slow-2g", 4_000.0),
        ("2g", 7_000.0),
        ("3g", 60_000.0),
        ("4g", 500_000.0),
        ("wifi", 1_500_000.0),
        ("unknown", 125_000.0),
    ];

    fn of(info: Option<&NetworkInfo<'_>>) -> Self {
        let asked = info.and_then(|info| info.effective_type.as_ref()).map(Text::as_str);
        let known = Self::KINDS.into_iter().find(|(kind, _)| asked == Some(kind));
        let (name, usual) = known.unwrap_or(("unknown", 125_000.0));
        let positive = |number: Option<Number>| number.map(|it| it.0).filter(|it| *it > 0.0);
        let megabits = positive(info.and_then(|info| info.downlink));
        let millis = positive(info.and_then(|info| info.rtt));
        Self {
            name,
            bytes_per_second: megabits.map_or(usual, |it| (it * 125_000.0 * UPLINK_SHARE).max(1.0)),
            round_trip_seconds: millis.map_or(0.0, |it| it / 1000.0),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate; sizes are below 2^53 anyway")]
    fn upload_seconds(&self, file_bytes: u64) -> f64 {
        file_bytes as f64 / self.bytes_per_second + ROUND_TRIPS * self.round_trip_seconds
    }
}

fn buffer_multiplier(asked: Option<Number>) -> Result<f64, Error> {
    let Some(Number(buffer)) = asked else { return Ok(BUFFER_DEFAULT) };
    if (1.0..=BUFFER_MAX).contains(&buffer) {
        return Ok(buffer);
    }
    Err(Error::new(Code::InvalidField, format!("`bufferMultiplier` must be from 1 to {BUFFER_MAX}.")))
}

fn whole_seconds(asked: Number, field: &str, longest: u32) -> Result<u32, Error> {
    let refused = |code| {
        Error::new(code, format!("`{field}` must be {SECONDS_MIN} to {longest} seconds, without a fraction."))
    };
    if asked.0 < f64::from(SECONDS_MIN) {
        return Err(refused(Code::ExpiryTooShort));
    }
    if asked.0 > f64::from(longest) {
        return Err(refused(Code::ExpiryTooLong));
    }
    let seconds = asked.whole().and_then(|seconds| u32::try_from(seconds).ok());
    seconds.ok_or_else(|| refused(Code::InvalidField))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds::own(3600);

    fn fields(json: &str) -> ExpiryFields<'_> {
        let Ok(body) = super::super::body::Body::parse(json.as_bytes(), "s3") else { panic!("{json}") };
        body.expiry
    }

    fn seconds(json: &str, file_bytes: Option<u64>) -> Result<u32, Code> {
        choose(&fields(json), file_bytes, BOUNDS).map(|expiry| expiry.seconds).map_err(|error| error.code)
    }

    #[test]
    fn what_the_caller_says_wins() {
        for (json, expected) in [
            (r#"{"expiresIn":60}"#, Ok(60)),
            (r#"{"expiresIn":604800}"#, Ok(604_800)),
            (r#"{"expiresIn":900.0,"networkInfo":{"effectiveType":"2g"}}"#, Ok(900)),
            (r#"{"expiresIn":900,"minExpirySeconds":1000,"bufferMultiplier":99}"#, Ok(900)),
            (r#"{"expiresIn":59}"#, Err(Code::ExpiryTooShort)),
            (r#"{"expiresIn":0}"#, Err(Code::ExpiryTooShort)),
            (r#"{"expiresIn":-1}"#, Err(Code::ExpiryTooShort)),
            (r#"{"expiresIn":-1e300}"#, Err(Code::ExpiryTooShort)),
            (r#"{"expiresIn":604801}"#, Err(Code::ExpiryTooLong)),
            (r#"{"expiresIn":18446744073709551615}"#, Err(Code::ExpiryTooLong)),
            (r#"{"expiresIn":1e308}"#, Err(Code::ExpiryTooLong)),
            (r#"{"expiresIn":3600.5}"#, Err(Code::InvalidField)),
            (r#"{"expiresIn":null}"#, Ok(3600)),
        ] {
            assert_eq!(seconds(json, Some(1 << 40)), expected, "{json}");
        }
    }

    #[test]
    fn a_reply_says_what_decided() {
        let smart = |json, bytes| choose(&fields(json), bytes, BOUNDS).unwrap().smart;
        let reason = |json, bytes| match smart(json, bytes) {
            SmartExpiry::Unused { reason, .. } => reason,
            SmartExpiry::Used(estimate) => estimate.reason,
        };
        assert!(reason(r#"{"expiresIn":60,"networkInfo":{}}"#, Some(1)).starts_with("`expiresIn` was given"));
        assert!(reason(r#"{"networkInfo":{}}"#, Some(1)).ends_with("the network decide."));
        assert!(reason(r#"{"networkInfo":{}}"#, None).ends_with("the default holds."));
        assert!(reason("{}", Some(1)).ends_with("the default holds."));
    }

    #[test]
    fn a_slower_network_and_a_larger_file_take_longer() {
        let by_kind = ["wifi", "4g", "unknown", "3g", "2g", "slow-2g"].map(|kind| {
            seconds(&format!(r#"{{"networkInfo":{{"effectiveType":"{kind}"}}}}"#), Some(1 << 30)).unwrap()
        });
        assert!(by_kind.is_sorted() && by_kind.first() < by_kind.last(), "{by_kind:?}");
        assert_eq!(seconds(r#"{"networkInfo":{"effectiveType":"5g"}}"#, Some(1 << 30)), Ok(by_kind[2]));
        // 1 GiB at a quarter of 10 Mbit/s is 3,436 s, and 0.2 s for four round trips; half as long again is 5,154.3 s.
        let measured = r#"{"networkInfo":{"effectiveType":"4g","downlink":10,"rtt":50}}"#;
        assert_eq!(seconds(measured, Some(1 << 30)), Ok(5155));
        assert_eq!(
            seconds(r#"{"bufferMultiplier":10,"networkInfo":{"downlink":10}}"#, Some(1 << 30)),
            Ok(34_360)
        );
    }

    #[test]
    fn estimates_stay_within_what_the_caller_allows() {
        for (json, expected) in [
            (r#"{"networkInfo":{"effectiveType":"wifi"}}"#, Ok(ESTIMATE_SECONDS_MIN)),
            (r#"{"networkInfo":{},"minExpirySeconds":60}"#, Ok(60)),
            (r#"{"networkInfo":{},"minExpirySeconds":1200}"#, Ok(1200)),
            (r#"{"networkInfo":{},"maxExpirySeconds":120}"#, Ok(120)),
            (r#"{"maxExpirySeconds":120}"#, Ok(120)),
            (r#"{"minExpirySeconds":7200}"#, Ok(7200)),
            (r#"{"minExpirySeconds":59}"#, Err(Code::ExpiryTooShort)),
            (r#"{"maxExpirySeconds":604801}"#, Err(Code::ExpiryTooLong)),
            (r#"{"minExpirySeconds":300,"maxExpirySeconds":200}"#, Err(Code::InvalidField)),
            (r#"{"networkInfo":{},"bufferMultiplier":0.5}"#, Err(Code::InvalidField)),
            (r#"{"networkInfo":{},"bufferMultiplier":11}"#, Err(Code::InvalidField)),
            (r#"{"networkInfo":{},"bufferMultiplier":-1e300}"#, Err(Code::InvalidField)),
        ] {
            assert_eq!(seconds(json, Some(1)), expected, "{json}");
        }
    }

    #[test]
    fn a_provider_with_a_shorter_limit_is_heeded() {
        let bounds = Bounds { provider_max: 1800, ..BOUNDS };
        let choose = |json| choose(&fields(json), None, bounds);
        assert_eq!(choose(r#"{"expiresIn":1801}"#).unwrap_err().code, Code::ExpiryTooLong);
        assert_eq!(choose("{}").unwrap().seconds, 1800);
    }

    #[test]
    fn nothing_outlives_the_token_that_it_was_asked_for_with() {
        let choose =
            |json, left| choose(&fields(json), Some(1), Bounds { caller_ends_in: Some(left), ..BOUNDS });
        assert_eq!(choose("{}", 600).unwrap().seconds, 600);
        assert_eq!(choose(r#"{"expiresIn":600}"#, 600).unwrap().seconds, 600);
        assert_eq!(choose(r#"{"expiresIn":601}"#, 600).unwrap_err().code, Code::ExpiryTooLong);
        assert_eq!(choose(r#"{"networkInfo":{}}"#, 100).unwrap().seconds, 100);
        assert_eq!(choose("{}", 1).unwrap().seconds, SECONDS_MIN, "nothing is shorter");
        assert_eq!(choose("{}", u64::MAX).unwrap().seconds, 3600);
    }

    proptest! {
        #[test]
        fn every_choice_is_within_the_limits(
            bytes in 0_u64..1 << 60,
            downlink in proptest::num::f64::ANY,
            rtt in proptest::num::f64::ANY,
        ) {
            let fields = ExpiryFields {
                network: Some(NetworkInfo {
                    effective_type: None,
                    downlink: Some(Number(downlink)),
                    rtt: Some(Number(rtt)),
                }),
                ..ExpiryFields::default()
            };
            let seconds = choose(&fields, Some(bytes), BOUNDS).unwrap().seconds;
            prop_assert!((ESTIMATE_SECONDS_MIN..=SECONDS_MAX).contains(&seconds));
        }
    }
}
