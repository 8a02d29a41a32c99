//! The file of a form, and the end of the body.

use bytes::{Buf, Bytes};
use memchr::{memmem, memrchr};

use super::FormError;

/// What may follow the file: fields that S3 ignores, a submit button as a rule. It is held until the end is seen.
const TAIL_BYTES_MAX: usize = 20 * 1024;
const END: &[u8] = b"--";
const END_LINE: &[u8] = b"--\r\n";

/// Finds the end of the file in a body that comes in pieces, and copies nothing.
#[derive(Debug)]
pub struct FileReader {
    /// `\r\n--boundary`. Its first byte comes in it once.
    delimiter: Bytes,
    head_bytes: usize,
    /// How much of the delimiter the last piece ended with. Those bytes are the file's if another one follows.
    matched: usize,
    /// What came after the delimiter.
    tail: Option<Vec<u8>>,
}

impl FileReader {
    pub(super) fn new(delimiter: Bytes, head_bytes: usize) -> Self {
        Self { delimiter, head_bytes, matched: 0, tail: None }
    }

    /// How long the file is in a body of `body_bytes`, if it is the last field and the end of the form is the end of
    /// the body, as clients write it: `--boundary--` and a line end.
    ///
    /// Whether that holds is only known at the end: whoever sends on from this must hold the last byte back until
    /// then, and compare.
    pub fn expected_bytes(&self, body_bytes: u64) -> Option<u64> {
        let frame = self.head_bytes + self.delimiter.len() + END_LINE.len();
        body_bytes.checked_sub(u64::try_from(frame).ok()?)
    }

    /// Takes bytes of the file from `piece`. Call it until it gives `None`: then the piece is used up.
    pub fn next(&mut self, piece: &mut Bytes) -> Result<Option<Bytes>, FormError> {
        if self.tail.is_none()
            && let Some(file) = self.file(piece)
        {
            return Ok(Some(file));
        }
        if let Some(tail) = &mut self.tail {
            if tail.len() + piece.len() > TAIL_BYTES_MAX {
                return Err(FormError::Malformed);
            }
            tail.extend_from_slice(piece);
            piece.clear();
        }
        Ok(None)
    }

    /// The body has ended: did the form end with it?
    pub fn finish(&self) -> Result<(), FormError> {
        let tail = self.tail.as_deref().ok_or(FormError::Truncated)?;
        let end =
            tail.strip_suffix(END_LINE).or_else(|| tail.strip_suffix(END)).ok_or(FormError::Truncated)?;
        // Either nothing is between the file and the end, or whole parts are.
        let is_whole = end.is_empty() || (end.starts_with(b"\r\n") && end.ends_with(&self.delimiter));
        if is_whole { Ok(()) } else { Err(FormError::Malformed) }
    }

    /// The next bytes of the file, if there are any before the piece or the file ends.
    fn file(&mut self, piece: &mut Bytes) -> Option<Bytes> {
        if self.matched > 0 {
            return self.resume(piece);
        }
        if let Some(at) = memmem::find(piece, &self.delimiter) {
            let file = piece.split_to(at);
            piece.advance(self.delimiter.len());
            self.tail = Some(Vec::new());
            return Some(file).filter(|file| !file.is_empty());
        }
        // No other byte of the delimiter is like its first: one place alone can be its beginning.
        let start = memrchr(b'\r', piece)
            .filter(|start| piece.get(*start..).is_some_and(|end| self.delimiter.starts_with(end)));
        let file = piece.split_to(start.unwrap_or(piece.len()));
        self.matched = piece.len();
        piece.clear();
        Some(file).filter(|file| !file.is_empty())
    }

    /// Goes on with a delimiter that the last piece may have begun. If it has not, its bytes are the file's.
    fn resume(&mut self, piece: &mut Bytes) -> Option<Bytes> {
        let rest = self.delimiter.get(self.matched..).unwrap_or_default();
        let common = rest.iter().zip(piece.iter()).take_while(|(expected, byte)| expected == byte).count();
        let is_whole = common == rest.len();
        self.matched += common;
        piece.advance(common);
        if !is_whole && piece.is_empty() {
            return None;
        }
        let matched = std::mem::take(&mut self.matched);
        if is_whole {
            self.tail = Some(Vec::new());
            return None;
        }
        Some(self.delimiter.slice(..matched))
    }
}
