//! The part of a form before its file: fields, each held within the bound of all.

use std::fmt;

use bytes::{Buf, Bytes};
use memchr::memmem;

use super::{FILE, FileReader, Form, FormError, header};

/// S3's limit for all that comes before the file. It is held in memory.
pub const HEAD_BYTES_MAX: usize = 20 * 1024;
/// Far above any form. Each field is looked for among all others.
pub const FIELDS_MAX: usize = 100;

const LINE_END: &[u8] = b"\r\n";
const HEADERS_END: &[u8] = b"\r\n\r\n";

/// Reads the fields. The body is pushed in pieces, of any size.
pub struct FormReader {
    /// `\r\n--boundary`, which stands before every part and at the end.
    delimiter: Bytes,
    /// What came, after a line end that makes the first delimiter like the others.
    held: Vec<u8>,
    /// Where the next delimiter stands in `held`.
    next: usize,
    form: Form,
}

/// Without what is held, which has the values that [`Form`] does not show.
impl fmt::Debug for FormReader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FormReader").field("form", &self.form).finish_non_exhaustive()
    }
}

/// What has been read after a piece.
#[derive(Debug)]
pub enum Progress {
    /// Fields; there is more to come.
    Fields(FormReader),
    /// All fields. What is left of the piece is the beginning of the file.
    File(Form, FileReader),
}

/// One step through what is held.
enum Step {
    Wait,
    Field,
    /// The file begins here.
    File(usize),
}

impl FormReader {
    /// A reader of the body of a request with this `Content-Type`.
    pub fn new(content_type: &str) -> Result<Self, FormError> {
        let boundary = header::boundary(content_type)?;
        Ok(Self {
            delimiter: Bytes::from(["\r\n--", &boundary].concat()),
            held: LINE_END.to_vec(),
            next: 0,
            form: Form::default(),
        })
    }

    /// Takes the next piece of the body, and of the last one as much as belongs to the fields.
    pub fn push(mut self, piece: &mut Bytes) -> Result<Progress, FormError> {
        let held_before = self.held.len();
        let room = (LINE_END.len() + HEAD_BYTES_MAX).saturating_sub(held_before);
        let taken = piece.get(..room).unwrap_or(piece.as_ref());
        self.held.extend_from_slice(taken);
        let is_full = taken.len() < piece.len();
        loop {
            match self.step()? {
                Step::Field => {}
                Step::File(at) => {
                    // Without this piece the head was not complete: the file begins within it.
                    piece.advance(at.saturating_sub(held_before));
                    let head_bytes = at.saturating_sub(LINE_END.len());
                    return Ok(Progress::File(self.form, FileReader::new(self.delimiter, head_bytes)));
                }
                Step::Wait if is_full => return Err(FormError::HeadTooLarge),
                Step::Wait => {
                    piece.clear();
                    return Ok(Progress::Fields(self));
                }
            }
        }
    }

    /// Reads the part at `next`, if it is all there.
    fn step(&mut self) -> Result<Step, FormError> {
        let part = self.held.get(self.next..).unwrap_or_default();
        let Some(part) = part.strip_prefix(&*self.delimiter) else {
            return if self.delimiter.starts_with(part) { Ok(Step::Wait) } else { Err(FormError::Malformed) };
        };
        let Some(part) = part.strip_prefix(LINE_END) else {
            return match part {
                [] | b"\r" | b"-" => Ok(Step::Wait),
                [b'-', b'-', ..] => Err(FormError::NoFile),
                _ => Err(FormError::Malformed),
            };
        };
        let Some((lines, rest)) = split_at(part, HEADERS_END) else {
            return Ok(Step::Wait);
        };
        let head = header::part_head(text(lines)?)?;
        if head.name.eq_ignore_ascii_case(FILE) {
            self.form.begin_file(head.file_name.as_deref().unwrap_or_default(), head.content_type);
            return Ok(Step::File(self.held.len().saturating_sub(rest.len())));
        }
        let Some((value, rest)) = split_at(rest, &self.delimiter) else {
            return Ok(Step::Wait);
        };
        if self.form.fields.len() == FIELDS_MAX {
            return Err(FormError::TooManyFields);
        }
        self.form.add(&head.name, text(value)?)?;
        self.next = self.held.len().saturating_sub(rest.len() + self.delimiter.len());
        Ok(Step::Field)
    }
}

/// What stands before and after the first `separator`.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (before, rest) = bytes.split_at_checked(memmem::find(bytes, separator)?)?;
    Some((before, rest.strip_prefix(separator)?))
}

fn text(bytes: &[u8]) -> Result<&str, FormError> {
    str::from_utf8(bytes).map_err(|_| FormError::Malformed)
}
