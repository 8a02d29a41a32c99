//! However a document is cut, the outcome is the same, and so is what is written of a sound one.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use wharf_wire::xml::rewrite::{Names, RewriteError, Rewriter};

fn rewrite<'a>(names: Names, pieces: impl Iterator<Item = &'a [u8]>) -> (Result<(), RewriteError>, BytesMut) {
    let mut rewriter = Rewriter::new(names);
    let mut out = BytesMut::new();
    for piece in pieces {
        if let Err(error) = rewriter.push(piece, &mut out) {
            return (Err(error), out);
        }
    }
    (rewriter.finish(), out)
}

fuzz_target!(|input: (&[u8], u8, bool)| {
    let (document, piece, keys_are_url_encoded) = input;
    let names = Names {
        bucket: "photos".into(),
        provider_bucket: "acme-photos-prod".into(),
        key_prefix: "a b/".into(),
        keys_are_url_encoded,
        ..Names::default()
    };
    let (outcome, whole) = rewrite(names.clone(), std::iter::once(document));
    let (again, in_pieces) = rewrite(names, document.chunks(usize::from(piece).max(1)));
    assert_eq!(outcome, again);
    if matches!(outcome, Ok(()) | Err(RewriteError::Truncated)) {
        assert_eq!(whole, in_pieces);
    }
});
