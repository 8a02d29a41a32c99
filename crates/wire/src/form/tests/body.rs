//! Bodies in pieces.

use bytes::Bytes;
use proptest::{
    prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest},
    sample::Index,
};

use super::{
    super::reader::{FIELDS_MAX, HEAD_BYTES_MAX},
    *,
};

const CONTENT_TYPE: &str = "multipart/form-data; boundary=9431149156168";

/// A body as a browser sends it.
fn body(fields: &[(&str, &str)], file: &[u8], end: &str) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        body += &[
            "--9431149156168\r\nContent-Disposition: form-data; name=\"",
            name,
            "\"\r\n\r\n",
            value,
            "\r\n",
        ]
        .concat();
    }
    body += "--9431149156168\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\me\\cat.jpg\"\r\n\
        Content-Type: image/jpeg\r\n\r\n";
    [body.as_bytes(), file, end.as_bytes()].concat()
}

const FIELDS: [(&str, &str); 4] = [
    ("Key", "u/${filename}"),
    ("empty", ""),
    ("X-Amz-Meta-Tag", "a\r\n--94311\r\n"),
    ("Content-Type", "image/png"),
];
const END: &str = "\r\n--9431149156168--\r\n";
const SUBMIT: &str = "\r\n--9431149156168\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--9431149156168--\r\n";

/// What was read of a body.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    form: Form,
    file: Vec<u8>,
    expected_bytes: Option<u64>,
}

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, body_bytes: usize) -> Result<Read, FormError> {
    let mut pieces = pieces.into_iter().map(Bytes::copy_from_slice);
    let mut reader = FormReader::new(CONTENT_TYPE)?;
    let (form, mut file_reader, mut piece) = loop {
        let mut piece = pieces.next().ok_or(FormError::Truncated)?;
        match reader.push(&mut piece)? {
            Progress::Fields(more) => reader = more,
            Progress::File(form, file) => break (form, file, piece),
        }
    };
    let mut file = Vec::new();
    loop {
        while let Some(bytes) = file_reader.next(&mut piece)? {
            assert!(!bytes.is_empty());
            file.extend_from_slice(&bytes);
        }
        match pieces.next() {
            Some(next) => piece = next,
            None => break,
        }
    }
    file_reader.finish()?;
    Ok(Read { form, file, expected_bytes: file_reader.expected_bytes(body_bytes as u64) })
}

fn read_whole(body: &[u8]) -> Result<Read, FormError> {
    read([body], body.len())
}

#[test]
fn reads_a_browsers_form() {
    let file = b"\xff\xd8 jpeg \r\n--943114915616 \r\r\n";
    let read = read_whole(&body(&FIELDS, file, END)).unwrap();
    let fields: Vec<_> = read.form.fields().collect();
    let meta = ("x-amz-meta-tag", "a\r\n--94311\r\n");
    assert_eq!(fields, [("key", "u/cat.jpg"), ("empty", ""), meta, ("content-type", "image/png")]);
    assert_eq!(read.form.file_name, "cat.jpg");
    assert_eq!(read.form.file_content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(read.file, file);
    assert_eq!(read.expected_bytes, Some(file.len() as u64));
}

#[test]
fn the_length_is_known_beforehand_if_the_file_is_last() {
    let more = SUBMIT.len() - END.len();
    for (end, expected) in [(END, 5), ("\r\n--9431149156168--", 5 - 2), (SUBMIT, 5 + more)] {
        let read = read_whole(&body(&FIELDS, b"12345", end)).unwrap();
        assert_eq!(read.file, b"12345", "{end}");
        assert_eq!(read.expected_bytes, Some(expected as u64), "{end}");
    }
    let empty = read_whole(&body(&FIELDS, b"", END)).unwrap();
    assert_eq!((empty.file.len(), empty.expected_bytes), (0, Some(0)));
}

#[test]
fn a_body_that_ends_early_or_goes_on_is_refused() {
    let whole = body(&FIELDS, b"12345", END);
    for cut in 0..whole.len() - 2 {
        assert_eq!(read_whole(&whole[..cut]), Err(FormError::Truncated), "cut at {cut}");
    }
    for (end, error) in [
        ("\r\n--9431149156168--\r\nmore", FormError::Truncated),
        ("\r\n--9431149156168-\r\n", FormError::Truncated),
        ("\r\n--9431149156168 --\r\n", FormError::Malformed),
        ("\r\n--94311491561689--\r\n", FormError::Malformed),
        ("\r\n--9431149156168\r\nlast\r\n--other--\r\n", FormError::Malformed),
        ("\r\n--9431149156168\r\n--\r\n", FormError::Malformed),
    ] {
        assert_eq!(read_whole(&body(&FIELDS, b"12345", end)), Err(error), "{end}");
    }
    let long = ["\r\n--9431149156168\r\n", &"x".repeat(20 * 1024), END].concat();
    assert_eq!(read_whole(&body(&FIELDS, b"12345", &long)), Err(FormError::Malformed));
}

#[test]
fn the_fields_are_bounded() {
    let head = body(&[("key", "")], b"", "").len();
    let fill = |bytes: usize| body(&[("key", &"k".repeat(bytes))], b"12345", END);
    assert_eq!(read_whole(&fill(HEAD_BYTES_MAX - head)).unwrap().file, b"12345");
    assert_eq!(read_whole(&fill(HEAD_BYTES_MAX - head + 1)), Err(FormError::HeadTooLarge));
    let names: Vec<String> = (0..=FIELDS_MAX).map(|number| number.to_string()).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(read_whole(&body(&fields[1..], b"", END)).unwrap().form.fields().count(), FIELDS_MAX);
    assert_eq!(read_whole(&body(&fields, b"", END)), Err(FormError::TooManyFields));
}

#[test]
fn refuses_other_bodies() {
    let part = "--9431149156168\r\nContent-Disposition: form-data; name=";
    for (body, error) in [
        ("", FormError::Truncated),
        ("preamble", FormError::Malformed),
        ("--other\r\n", FormError::Malformed),
        ("--9431149156168x", FormError::Malformed),
        ("--9431149156168--\r\n", FormError::NoFile),
        (&[part, "a\r\n\r\nb", END].concat(), FormError::NoFile),
        (
            &[part, "a\r\n\r\nb\r\n", part, "A\r\n\r\nb\r\n", part, "file\r\n\r\n", END].concat(),
            FormError::FieldTwice,
        ),
        ("--9431149156168\r\nContent-Type: a\r\n\r\n", FormError::Malformed),
    ] {
        assert_eq!(read_whole(body.as_bytes()), Err(error), "{body}");
    }
    let not_utf8 = [part.as_bytes(), b"a\r\n\r\n\xff", END.as_bytes()].concat();
    assert_eq!(read_whole(&not_utf8), Err(FormError::Malformed));
}

/// The pieces of `bytes` between the given places.
fn cut<'a>(bytes: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &bytes[start..*end]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_gives_the_same(
        file in prop::collection::vec(prop::sample::select(b"\r\n-9431156 8x".to_vec()), 0..60),
        end in prop::sample::select(vec![END, SUBMIT, "\r\n--9431149156168--", "\r\n--9431149156168", ""]),
        places in any::<[Index; 6]>(),
    ) {
        let body = body(&FIELDS, &file, end);
        let whole = read_whole(&body);
        prop_assert_eq!(&read(cut(&body, &places), body.len()), &whole);
        prop_assert_eq!(&read(body.chunks(1), body.len()), &whole);
        if let Ok(read) = whole {
            prop_assert_eq!(read.file, file);
        }
    }

    #[test]
    fn a_delimiter_in_the_file_is_never_stored(before in any::<Vec<u8>>(), after in any::<Vec<u8>>()) {
        let file = [&before, b"\r\n--9431149156168".as_slice(), &after].concat();
        if let Ok(read) = read_whole(&body(&FIELDS, &file, END)) {
            prop_assert!(read.file.len() <= before.len());
        }
    }

    #[test]
    fn nothing_makes_it_panic(
        bytes in any::<Vec<u8>>(),
        scraps in prop::collection::vec(prop::sample::select(vec![
            "--9431149156168", "\r\n", "--", "Content-Disposition: form-data; ", "name=", "\"", "file", "a", ";", "\\", ":", "filename=",
        ]), 0..30),
    ) {
        let scraps = scraps.concat();
        prop_assert!(read_whole(&bytes).is_err());
        prop_assert_eq!(read(scraps.as_bytes().chunks(1), scraps.len()), read_whole(scraps.as_bytes()));
        let _ = FormReader::new(&["multipart/form-data;", &scraps].concat());
    }
}
