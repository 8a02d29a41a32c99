//! However a form is cut, its fields and its file are the same, and the file never holds the delimiter.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wharf_wire::form::{Claim, Form, FormError, FormReader, Progress};

fn read(body: &[u8], piece_bytes: usize) -> Result<(Form, Vec<u8>), FormError> {
    let mut pieces = body.chunks(piece_bytes).map(Bytes::copy_from_slice);
    let mut reader = FormReader::new("multipart/form-data; boundary=b")?;
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
            file.extend_from_slice(&bytes);
        }
        match pieces.next() {
            Some(next) => piece = next,
            None => break,
        }
    }
    file_reader.finish()?;
    Ok((form, file))
}

fuzz_target!(|input: (u8, &[u8])| {
    let (piece_bytes, body) = input;
    let whole = read(body, body.len().max(1));
    assert_eq!(read(body, usize::from(piece_bytes).max(1)).is_ok(), whole.is_ok());
    if let Ok((form, file)) = whole {
        assert!(!file.windows(5).any(|window| window == b"\r\n--b"));
        let _ = Claim::parse(&form);
        let _ = form.success();
    }
});
