//! The mirrors' workers between real stores: what is copied, what is deleted, and what is left alone.

use wharf_demo::{Store, StoreOptions};

use crate::support::{
    mirroring::{self, Mirroring, free_address},
    store,
};

struct Pair {
    one: Store,
    _two: Store,
    mirroring: Mirroring,
}

impl Pair {
    async fn start() -> Self {
        let (one, two) = (store::start(mirroring::BUCKET).await, store::start(mirroring::BUCKET).await);
        let mirroring = Mirroring::start(&one.endpoint(), &two.endpoint()).await;
        Self { one, _two: two, mirroring }
    }
}

#[tokio::test]
async fn an_object_arrives_with_its_metadata_and_is_recorded() {
    let Pair { mirroring, .. } = &Pair::start().await;
    let headers =
        [("content-type", "text/x-test"), ("x-amz-meta-author", "Zoe"), ("cache-control", "max-age=5")];
    mirroring.at("primary", "a/b c").put("hello", &headers).await;
    mirroring.changed("a/b c").await;
    mirroring.settled().await;

    let (found, body) = mirroring.at("spare", "a/b c").get().await.unwrap();
    assert_eq!(body, "hello");
    for (name, value) in headers {
        assert_eq!(found.get(name).unwrap(), value, "{name}");
    }
    let record = mirroring.record("a/b c").await;
    assert_eq!((record.bytes, &record.primary_etag), (5, &record.mirror_etag));
    assert!(record.checksum.is_some_and(|checksum| checksum.contains(':')));
    for line in [
        "wharf_mirror_copied_objects_total{bucket=\"photos\",mirror=\"spare\"} 1",
        "wharf_mirror_copied_bytes_total{bucket=\"photos\",mirror=\"spare\"} 5",
        "wharf_mirror_attempts_total{bucket=\"photos\",mirror=\"spare\"} 1",
    ] {
        assert!(mirroring.shows(line), "{line}");
    }
}

#[tokio::test]
async fn an_object_that_is_written_again_is_copied_again() {
    let Pair { mirroring, .. } = &Pair::start().await;
    for body in ["one", "", "three"] {
        mirroring.at("primary", "k").put(body, &[]).await;
        mirroring.changed("k").await;
        mirroring.settled().await;
        assert_eq!(mirroring.at("spare", "k").get().await.unwrap().1, body);
    }
}

#[tokio::test]
async fn a_delete_is_mirrored_and_a_foreign_absence_is_not() {
    let Pair { mirroring, .. } = &Pair::start().await;
    for key in ["ours", "theirs"] {
        mirroring.at("primary", key).put("hello", &[]).await;
        mirroring.changed(key).await;
    }
    mirroring.settled().await;
    for key in ["ours", "theirs"] {
        mirroring.at("primary", key).delete().await;
    }
    mirroring.deleted("ours").await;
    mirroring.changed("theirs").await;
    let dead = mirroring.one_dead().await;
    mirroring.settled().await;
    assert_eq!((&*dead.key, dead.row.class.unwrap().as_str()), ("theirs", "absence"));
    assert!(mirroring.at("spare", "ours").get().await.is_none());
    assert_eq!(mirroring.at("spare", "theirs").get().await.unwrap().1, "hello");
    // An object that comes back is no absence any more.
    mirroring.at("primary", "theirs").put("again", &[]).await;
    mirroring.changed("theirs").await;
    mirroring.settled().await;
    assert_eq!(mirroring.at("spare", "theirs").get().await.unwrap().1, "again");
    assert!(mirroring.dead().await.is_empty());
}

#[tokio::test]
async fn what_has_not_changed_is_looked_at_and_left() {
    let Pair { mirroring, .. } = &Pair::start().await;
    mirroring.at("primary", "k").put("hello", &[]).await;
    for _ in 0..3 {
        mirroring.changed("k").await;
        mirroring.settled().await;
    }
    assert!(mirroring.shows("wharf_mirror_copied_objects_total{bucket=\"photos\",mirror=\"spare\"} 1"));
    assert!(mirroring.shows("wharf_mirror_attempts_total{bucket=\"photos\",mirror=\"spare\"} 3"));
    // A mirror that somebody emptied is filled again.
    mirroring.at("spare", "k").delete().await;
    mirroring.changed("k").await;
    mirroring.settled().await;
    assert_eq!(mirroring.at("spare", "k").get().await.unwrap().1, "hello");
}

#[tokio::test]
async fn metadata_alone_is_a_change() {
    let Pair { mirroring, .. } = &Pair::start().await;
    for kind in ["text/plain", "text/html"] {
        mirroring.at("primary", "k").put("same", &[("content-type", kind)]).await;
        mirroring.changed("k").await;
        mirroring.settled().await;
        assert_eq!(mirroring.at("spare", "k").get().await.unwrap().0["content-type"], kind);
    }
}

#[tokio::test]
async fn a_mirror_that_was_down_catches_up_and_slows_no_other() {
    let (one, two) = (store::start(mirroring::BUCKET).await, store::start(mirroring::BUCKET).await);
    let address = free_address();
    let down = format!("http://{address}");
    let config = mirroring::config(&one.endpoint(), &[("spare", &two.endpoint()), ("down", &down)], "");
    let mirroring = Mirroring::start_with(config).await;
    for number in 0..50 {
        let key = format!("k{number}");
        mirroring.at("primary", &key).put(key.clone(), &[]).await;
        mirroring.changed(&key).await;
    }
    mirroring.settled().await;
    assert_eq!(mirroring.backlog("down").await.waiting, 50);
    assert!(mirroring.dead().await.is_empty());

    let options = StoreOptions {
        address,
        directory: None,
        access_key: store::ACCESS_KEY.to_owned(),
        secret_key: store::SECRET_KEY.into(),
    };
    let back = Store::start(options).await.unwrap();
    back.create_bucket(mirroring::BUCKET).await.unwrap();
    mirroring.settled_at("down").await;
    assert_eq!(mirroring.at("down", "k49").get().await.unwrap().1, "k49");
    mirroring.end().await;
}

#[tokio::test]
async fn a_large_object_goes_in_parts() {
    let Pair { mirroring, .. } = &Pair::start().await;
    let body: Vec<u8> =
        (0..(65 << 20) + 7_u32).map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    mirroring.at("primary", "large").put(body.clone(), &[("content-type", "x/large")]).await;
    mirroring.changed("large").await;
    mirroring.settled().await;
    let (headers, found) = mirroring.at("spare", "large").get().await.unwrap();
    assert!(found == body, "the bytes differ");
    assert_eq!(headers["content-type"], "x/large");
    let record = mirroring.record("large").await;
    assert_eq!(record.bytes, body.len() as u64);
    assert!(record.mirror_etag.ends_with("-2\""), "{record:?}");
}

#[tokio::test]
async fn what_a_mirror_took_is_copied_back_and_what_it_replaces_is_kept() {
    let Pair { one, mirroring, .. } = &Pair::start().await;
    for key in ["new", "known", "diverged"] {
        if key == "known" {
            mirroring.at("primary", key).put("old", &[]).await;
            mirroring.changed(key).await;
            mirroring.settled().await;
        }
        if key == "diverged" {
            mirroring.at("primary", key).put("theirs", &[("content-type", "text/x-test")]).await;
        }
        mirroring.at("spare", key).put("ours", &[]).await;
        mirroring.taken(key).await;
        let primary = mirroring.at("primary", key);
        let is_back = || async { primary.get().await.is_some_and(|(_, body)| body == "ours") };
        mirroring.until("ours at the primary", is_back).await;
        mirroring.settled().await;
        mirroring.record(key).await;
    }
    let kept: Vec<_> = mirroring::keys_of(one).into_iter().filter(|key| key.contains(".conflict-")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].starts_with("diverged.conflict-") && kept[0].ends_with("-spare"), "{kept:?}");
    for side in ["primary", "spare"] {
        let (headers, body) = mirroring.at(side, &kept[0]).get().await.unwrap();
        assert_eq!(
            (&*body, &headers["content-type"]),
            (b"theirs".as_slice(), &"text/x-test".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn a_reload_begins_and_ends_mirrors() {
    let (one, two) = (store::start(mirroring::BUCKET).await, store::start(mirroring::BUCKET).await);
    let mirroring = Mirroring::start(&one.endpoint(), "http://127.0.0.1:9").await;
    mirroring.at("primary", "k").put("hello", &[]).await;
    mirroring.changed("k").await;
    mirroring
        .until("a failure", || async {
            mirroring.shows("wharf_mirror_resting{bucket=\"photos\",mirror=\"spare\"} 1")
        })
        .await;
    // The mirror moves to where somebody listens: what was known of its health is old.
    mirroring.reload(mirroring::config(&one.endpoint(), &[("spare", &two.endpoint())], ""));
    mirroring.settled().await;
    // Without a mirror nothing is mirrored, and with it again what was missed is.
    mirroring.reload(mirroring::config(&one.endpoint(), &[], ""));
    mirroring.at("primary", "k").put("more", &[]).await;
    mirroring.changed("k").await;
    mirroring.reload(mirroring::config(&one.endpoint(), &[("spare", &two.endpoint())], ""));
    mirroring.settled().await;
    mirroring.end().await;
}
