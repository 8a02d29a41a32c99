use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::error::Code;

/// A clock that the test moves.
struct Hands(&'static AtomicU64);

impl Hands {
    fn new() -> Self {
        Self(Box::leak(Box::new(AtomicU64::new(1_795_307_826_434))))
    }

    fn clock(&self) -> Clock {
        Clock::Moved(self.0)
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

fn rate(requests_per_second: u32, burst: u32) -> RateLimit {
    let [requests_per_second, burst] = [requests_per_second, burst].map(|n| NonZeroU32::new(n).unwrap());
    RateLimit { requests_per_second, burst }
}

fn shared(limit: RateLimit, hands: &Hands) -> Limit {
    Limit::new(Policy { name: "provider", limit }, hands.clock())
}

fn per_address(limit: RateLimit, keys_max: usize, hands: &Hands) -> LimitPerKey<IpAddr> {
    LimitPerKey::new(Policy { name: "client", limit }, keys_max, hands.clock())
}

fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn v4(number: u32) -> IpAddr {
    IpAddr::from(number.to_be_bytes())
}

fn headers_of(standing: Standing) -> (String, String) {
    let mut headers = HeaderMap::new();
    standing.write(&mut headers);
    ["ratelimit", "ratelimit-policy"].map(|name| headers[name].to_str().unwrap().to_owned()).into()
}

#[test]
fn a_burst_is_admitted_then_the_rate() {
    let hands = Hands::new();
    let limit = shared(rate(2, 3), &hands);
    let admitted = |n: usize| (0..n).filter(|_| limit.count(one()).is_ok()).count();
    assert_eq!(admitted(10), 3);
    hands.advance(Duration::from_millis(499));
    assert_eq!(admitted(10), 0);
    hands.advance(Duration::from_millis(1));
    assert_eq!(admitted(10), 1);
    hands.advance(Duration::from_hours(1));
    assert_eq!(admitted(10), 3);
}

#[test]
fn the_headers_tell_quota_window_and_what_remains() {
    let limit = shared(rate(2, 5), &Hands::new());
    let standing = limit.count(one()).unwrap();
    let (now, policy) = headers_of(standing);
    assert_eq!(now, "\"provider\";r=4;t=1");
    assert_eq!(policy, "\"provider\";q=5;w=3");
    let (now, _) = headers_of(limit.count(NonZeroU32::new(3).unwrap()).unwrap());
    assert_eq!(now, "\"provider\";r=1;t=1");
}

#[test]
fn a_refusal_says_when_to_come_again_and_then_is_right() {
    let hands = Hands::new();
    let limit = shared(rate(1, 4), &hands);
    limit.count(NonZeroU32::new(4).unwrap()).unwrap();
    hands.advance(Duration::from_millis(700));
    let error = limit.count(NonZeroU32::new(3).unwrap()).unwrap_err();
    assert_eq!(error.code, Code::RateLimited);
    // 2.3 seconds, in whole ones.
    assert_eq!(error.retry_after, Some(Duration::from_secs(3)));
    let headers: HeaderMap = error.headers.into_iter().collect();
    assert_eq!(headers["ratelimit"], "\"provider\";r=0;t=3");
    assert_eq!(headers["ratelimit-policy"], "\"provider\";q=4;w=4");
    hands.advance(Duration::from_secs(3));
    assert!(limit.count(NonZeroU32::new(3).unwrap()).is_ok());
}

#[test]
fn a_batch_that_no_wait_would_admit_is_told_the_size_that_one_would() {
    let limit = shared(rate(10, 20), &Hands::new());
    let error = limit.count(NonZeroU32::new(21).unwrap()).unwrap_err();
    assert_eq!((error.code, error.retry_after), (Code::RateLimited, Some(Duration::from_secs(2))));
    assert!(error.hint.unwrap().contains("at most 20"));
    assert!(limit.count(NonZeroU32::new(20).unwrap()).is_ok(), "the refusal cost nothing");
}

#[test]
fn the_tighter_standing_is_kept() {
    let hands = Hands::new();
    let [mut wide, tight] =
        [rate(1, 100), rate(1, 10)].map(|limit| shared(limit, &hands).count(one()).unwrap());
    let mut none = Standing::default();
    none.tighten(wide);
    assert_eq!(none, wide);
    wide.tighten(tight);
    assert_eq!(wide, tight);
    wide.tighten(none);
    wide.tighten(Standing::default());
    assert_eq!(wide, tight);
}

#[test]
fn no_limit_writes_no_header() {
    let mut headers = HeaderMap::new();
    Standing::default().write(&mut headers);
    assert!(headers.is_empty());
}

#[test]
fn a_million_addresses_are_counted_in_bounded_memory() {
    let hands = Hands::new();
    let limit = per_address(rate(1, 2), 10_000, &hands);
    for number in 0..1_000_000 {
        let _ = limit.count(&v4(number));
        assert!(limit.keys() <= 10_000);
        if number % 100_000 == 0 {
            hands.advance(Duration::from_millis(700));
        }
    }
    assert!(limit.keys() > 1000, "the bound is used");
}

#[test]
fn whoever_finds_the_store_full_shares_one_count() {
    let hands = Hands::new();
    let limit = per_address(rate(1, 2), 2, &hands);
    let known = [v4(1), v4(2)];
    assert!(known.iter().all(|address| limit.count(address).is_ok()));
    let strangers = (100..200).filter(|number| limit.count(&v4(*number)).is_ok()).count();
    assert_eq!(strangers, 2, "one burst for all of them");
    assert!(known.iter().all(|address| limit.count(address).is_ok()), "neighbours keep their own count");
}

#[test]
fn a_count_that_is_back_to_nothing_makes_room() {
    let hands = Hands::new();
    let limit = per_address(rate(1, 1), 2, &hands);
    for number in 1..=3 {
        let _ = limit.count(&v4(number));
    }
    assert_eq!(limit.keys(), 2);
    hands.advance(Duration::from_secs(10));
    assert!(limit.count(&v4(4)).is_ok());
    assert_eq!(limit.keys(), 1, "the two that had gone quiet are forgotten");
    // Who is not quiet is kept, and refused.
    assert!(limit.count(&v4(4)).is_err());
}

#[test]
fn an_ipv6_client_is_its_network_and_a_mapped_one_its_ipv4_address() {
    let network = |text: &str| client_network(text.parse().unwrap());
    assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::"));
    assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
    assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
    assert_ne!(network("192.0.2.7"), network("192.0.2.8"));
}

#[test]
fn one_providers_limit_is_not_anothers() {
    let hands = Hands::new();
    let maker = Maker { clock: hands.clock(), keys_max: 10 };
    let limits = [("busy", Some(rate(1, 1))), ("idle", Some(rate(1, 1))), ("free", None)];
    let providers = maker.by_name("provider", limits.into_iter(), None);
    assert!(count(&providers, "busy", 1).is_ok());
    assert!(count(&providers, "busy", 1).is_err());
    assert!(count(&providers, "idle", 1).is_ok());
    assert!((0..100).all(|_| count(&providers, "free", 1).is_ok_and(|met| met == Standing::default())));
    assert!(count(&providers, "idle", 0).is_ok(), "nothing counts for nothing");
}

#[test]
fn a_reload_keeps_counts_of_limits_that_did_not_change() {
    let maker = Maker { clock: Hands::new().clock(), keys_max: 10 };
    let before = [("same", Some(rate(1, 1))), ("raised", Some(rate(1, 1))), ("gone", Some(rate(1, 1)))];
    let before = maker.by_name("provider", before.into_iter(), None);
    for name in ["same", "raised", "gone"] {
        count(&before, name, 1).unwrap();
    }
    let after = [("same", Some(rate(1, 1))), ("raised", Some(rate(1, 2))), ("gone", None)];
    let after = maker.by_name("provider", after.into_iter(), Some(&before));
    assert!(count(&after, "same", 1).is_err());
    assert!(count(&after, "raised", 1).is_ok());
    assert!(count(&after, "gone", 1).is_ok());

    let clients = maker.per_key("client", Some(rate(1, 1)), None).unwrap();
    clients.count(&v4(1)).unwrap();
    let kept = maker.per_key("client", Some(rate(1, 1)), Some(&clients)).unwrap();
    assert!(kept.count(&v4(1)).is_err());
    let larger = Maker { keys_max: 20, ..maker };
    let anew = larger.per_key("client", Some(rate(1, 1)), Some(&clients)).unwrap();
    assert!(anew.count(&v4(1)).is_ok());
}

#[test]
fn threads_that_race_are_admitted_no_more_than_the_burst() {
    let limit = per_address(rate(1, 100), 4, &Hands::new());
    let admitted = |_| (0..200).filter(|n| limit.count(&v4(n % 4)).is_ok()).count();
    let total: usize = std::thread::scope(|scope| {
        let threads = [0; 8].map(|n| scope.spawn(move || admitted(n)));
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(total, 400, "four addresses, a burst of 100 each, 400 tries each");
    assert_eq!(limit.keys(), 4);
}

proptest! {
    #[test]
    fn never_more_than_burst_and_rate(
        requests_per_second in 1_u32..500,
        burst in 1_u32..100,
        steps in prop::collection::vec((0_u64..400, 0_u32..40), 1..60),
    ) {
        let hands = Hands::new();
        let limit = rate(requests_per_second, burst);
        let (shared, apart) = (shared(limit, &hands), per_address(limit, 4, &hands));
        let (mut millis, mut admitted) = (0, [0_u64; 2]);
        for (wait, tries) in steps {
            hands.advance(Duration::from_millis(wait));
            millis += wait;
            for _ in 0..tries {
                admitted[0] += u64::from(shared.count(one()).is_ok());
                admitted[1] += u64::from(apart.count(&v4(7)).is_ok());
            }
            let most = u64::from(burst) + u64::from(requests_per_second) * millis / 1000;
            prop_assert!(admitted[0] <= most, "{} > {}", admitted[0], most);
            prop_assert_eq!(admitted[0], admitted[1]);
        }
    }
}
