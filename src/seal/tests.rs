use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ticket {
    key: String,
    size: Option<u64>,
}

fn ticket() -> Ticket {
    Ticket { key: "uploads/a b.png".into(), size: Some(11) }
}

fn sealer(keys: &[&str]) -> Result<Sealer, String> {
    Sealer::new(&keys.iter().map(|key| SecretString::from(*key)).collect::<Vec<_>>())
}

const ONE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const ONE_HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const TWO: &str = "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=";

#[test]
fn what_was_sealed_opens() {
    let sealer = sealer(&[ONE]).unwrap();
    let token = sealer.seal(Purpose::Complete, &ticket()).unwrap();
    assert_eq!(sealer.open(Purpose::Complete, &token), Ok(ticket()));
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
}

#[test]
fn no_two_tokens_are_alike_and_none_shows_its_value() {
    let sealer = sealer(&[ONE]).unwrap();
    let [one, two] = [(); 2].map(|()| sealer.seal(Purpose::Complete, &ticket()).unwrap());
    assert_ne!(one, two);
    assert!(!URL_SAFE_NO_PAD.decode(one).unwrap().windows(7).any(|window| window == b"uploads"));
}

#[test]
fn any_changed_bit_closes_a_token() {
    let sealer = sealer(&[ONE]).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(sealer.seal(Purpose::Complete, &ticket()).unwrap()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let opened = sealer.open::<Ticket>(Purpose::Complete, &URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(opened, Err(NotSealedHere), "bit {bit}");
    }
    for length in 0..bytes.len() {
        let opened = sealer.open::<Ticket>(Purpose::Complete, &URL_SAFE_NO_PAD.encode(&bytes[..length]));
        assert_eq!(opened, Err(NotSealedHere), "{length} bytes");
    }
}

#[test]
fn a_token_of_another_purpose_does_not_open() {
    let sealer = sealer(&[ONE]).unwrap();
    let token = sealer.seal(Purpose::Complete, &ticket()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
    let parts = Sealed::split(&bytes).unwrap();
    let key = &sealer.configured[0];
    assert!(parts.open(key, Purpose::Complete).is_some());
    let (nonce, mut text) = (Nonce::assume_unique_for_key(*parts.nonce), parts.text.to_vec());
    let another = Aad::from(b"\x01another");
    assert!(derive(key, parts.salt).unwrap().open_in_place(nonce, another, &mut text).is_err());
}

#[test]
fn each_sealer_has_a_key_of_its_own() {
    let [one, two] = [(); 2].map(|()| sealer(&[ONE]).unwrap());
    assert_ne!(one.salt, two.salt, "nonces count from nothing in each");
    let token = one.seal(Purpose::Complete, &ticket()).unwrap();
    assert_eq!(two.open(Purpose::Complete, &token), Ok(ticket()));
}

#[test]
fn keys_are_rotated_by_putting_the_new_one_first() {
    let [old, new, both] = [&[ONE][..], &[TWO], &[TWO, ONE]].map(|keys| sealer(keys).unwrap());
    let before = old.seal(Purpose::Complete, &ticket()).unwrap();
    let after = both.seal(Purpose::Complete, &ticket()).unwrap();
    assert_eq!(both.open(Purpose::Complete, &before), Ok(ticket()));
    assert_eq!(new.open(Purpose::Complete, &after), Ok(ticket()), "the first key seals");
    assert_eq!(old.open::<Ticket>(Purpose::Complete, &after), Err(NotSealedHere));
}

#[test]
fn a_key_is_32_bytes_in_base64_or_hex() {
    let [base64, hex] = [ONE, ONE_HEX].map(|key| sealer(&[key]).unwrap());
    let token = base64.seal(Purpose::Complete, &ticket()).unwrap();
    assert_eq!(hex.open(Purpose::Complete, &token), Ok(ticket()));
    let newline = format!("{ONE}\n");
    for key in [newline.as_str(), &ONE[..43], "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-P0A"] {
        assert!(sealer(&[key]).is_ok(), "{key}");
    }
    for key in ["", "secret", &ONE_HEX[..62], &ONE[..40], "not base64 at all, but thirty-two"] {
        let problem = sealer(&[key]).unwrap_err();
        assert!(problem.contains("openssl rand -base64 32"), "{problem}");
        assert!(key.is_empty() || !problem.contains(key), "{problem}");
    }
    assert!(sealer(&[]).unwrap_err().contains("at least one key"));
}

#[test]
fn a_made_key_is_a_key() {
    let [one, two] = [(); 2].map(|()| make_key().unwrap());
    assert_ne!(one.expose_secret(), two.expose_secret());
    assert!(Sealer::new(&[one]).is_ok());
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", sealer(&[ONE, TWO]).unwrap()), "Sealer { keys: 2, .. }");
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens(key in ".*", size in any::<Option<u64>>()) {
        let sealer = sealer(&[ONE]).unwrap();
        let ticket = Ticket { key, size };
        let token = sealer.seal(Purpose::Complete, &ticket).unwrap();
        prop_assert_eq!(sealer.open(Purpose::Complete, &token), Ok(ticket));
    }

    #[test]
    fn no_text_makes_it_panic(token in "[A-Za-z0-9_-]{0,200}|.*") {
        prop_assert!(sealer(&[ONE]).unwrap().open::<Ticket>(Purpose::Complete, &token).is_err());
    }
}
