//! Puts the caller's names into a provider's answer while it streams by.
//!
//! A bucket `photos` may be `acme-photos-prod` with the key prefix `tenant-a/` at its provider. The answers that name
//! buckets and keys pass through a [`Rewriter`], which copies all bytes but the texts of the elements that its
//! document's rules name (`rules`): those it collects, within a bound, and replaces.
//!
//! ```text
//! bytes ──▶ markup::end ──▶ Path ──▶ rules ──▶ copied as they are | collected and replaced | left out
//! ```
//!
//! Promises: at most [`MARKUP_BYTES_MAX`] and [`TEXT_BYTES_MAX`] are held, whatever the document's size. The output is
//! the same however the input was cut. A key outside of the prefix is an error, never passed on; so are a document
//! without rules, a document type, and an end before the root's end.
//!
//! ```
//! use bytes::BytesMut;
//! use wharf_wire::xml::rewrite::{Names, Rewriter};
//!
//! let names = Names {
//!     bucket: "photos".into(),
//!     provider_bucket: "acme-photos-prod".into(),
//!     key_prefix: "tenant-a/".into(),
//!     ..Names::default()
//! };
//! let mut rewriter = Rewriter::new(names);
//! let mut out = BytesMut::new();
//! rewriter.push(b"<ListPartsResult><Bucket>acme-photos-prod</Bucket><Key>tena", &mut out)?;
//! rewriter.push(b"nt-a/cat.jpg</Key></ListPartsResult>", &mut out)?;
//! rewriter.finish()?;
//! assert_eq!(out, "<ListPartsResult><Bucket>photos</Bucket><Key>cat.jpg</Key></ListPartsResult>");
//! # Ok::<(), wharf_wire::xml::rewrite::RewriteError>(())
//! ```

mod markup;
mod path;
mod rules;
#[cfg(test)]
mod tests;
mod text;

use bytes::BytesMut;
use memchr::{memchr, memchr_iter};
use thiserror::Error;

use markup::Markup;
use path::Path;
use rules::{Change, Document};

/// A tag, a comment or a CDATA section. S3's longest is the root with its namespace; a longer one would be held.
pub const MARKUP_BYTES_MAX: usize = 8 * 1024;
/// A key has at most 1,024 bytes, each of them six when escaped as `&quot;`. A longer text would be held.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Why an answer cannot be passed on. Part of it may have been: the caller breaks the connection off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// Not well-formed, as far as that was looked at.
    #[error("malformed XML")]
    Malformed,
    /// The input ended before the document did.
    #[error("an XML document that ends early")]
    Truncated,
    /// A document type could give other meanings to the texts.
    #[error("an XML document type, which S3 never sends")]
    Doctype,
    /// More than [`MARKUP_BYTES_MAX`] or [`TEXT_BYTES_MAX`].
    #[error("an XML tag or name above the bound")]
    TooLong,
    /// Elements inside elements, too many times.
    #[error("XML elements nested too deep")]
    TooDeep,
    /// There are no rules for this root: nobody knows which names it holds.
    #[error("an XML document of a kind that S3 does not answer with")]
    UnknownDocument,
    /// The bucket is shared by key prefixes, and the document is about all of it.
    #[error("a configuration of a whole bucket, of which only the keys below a prefix are the caller's")]
    WholeBucket,
    /// The provider names a key outside of the bucket's prefix.
    #[error("an object key outside of the bucket's key prefix")]
    ForeignKey,
}

/// The names on both sides, and what the caller had asked.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// What the caller calls the bucket.
    pub bucket: String,
    /// What it is called at the provider.
    pub provider_bucket: String,
    /// What every key begins with at the provider and not at the caller. May be empty.
    pub key_prefix: String,
    /// Whether the caller asked for `encoding-type=url`. The answer says so too, but often after the first names.
    pub keys_are_url_encoded: bool,
    /// The path that the caller requested, for errors: `/photos/cat.jpg`.
    pub resource: String,
    /// Wharf's own id of the request, for errors.
    pub request_id: String,
    /// The object's URL as the caller knows it, for `CompleteMultipartUploadResult`.
    pub location: String,
    /// A listing's parameters.
    pub asked: Asked,
}

/// The parameters that a listing repeats in its answer, as the caller sent them. Empty if not sent.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// `prefix`
    pub prefix: String,
    /// `marker`, of the first version of `ListObjects`
    pub marker: String,
    /// `start-after`, of the second
    pub start_after: String,
    /// `key-marker`, of versions and uploads
    pub key_marker: String,
}

/// Rewrites one document, given in pieces.
#[derive(Debug)]
pub struct Rewriter {
    names: Names,
    document: Option<&'static Document>,
    path: Path,
    mode: Mode,
    /// Markup that has begun and not ended in the input so far.
    markup: Vec<u8>,
    /// The text of the element that is collected, escaped as in the document.
    text: Vec<u8>,
}

/// What becomes of the bytes that come.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Copy,
    Collect(Change),
    /// Until an element at this depth ends.
    Skip(usize),
}

impl Rewriter {
    /// A rewriter that has seen nothing yet. The document's own root chooses its rules.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            document: None,
            path: Path::default(),
            mode: Mode::Copy,
            markup: Vec::new(),
            text: Vec::new(),
        }
    }

    /// What the document is, once its first tag has come: `Error` may come where a result was expected, below a 200.
    pub fn root(&self) -> Option<&'static str> {
        self.document.map(|document| document.root)
    }

    /// Takes the next piece and appends what can be said so far. After an error there is nothing more to say.
    pub fn push(&mut self, input: &[u8], out: &mut BytesMut) -> Result<(), RewriteError> {
        let mut rest = self.resume(input, out)?;
        while let Some((text, tail)) = memchr(b'<', rest).and_then(|at| rest.split_at_checked(at)) {
            self.text(text, out)?;
            let Some((token, tail)) = markup::end(tail).and_then(|end| tail.split_at_checked(end)) else {
                return self.keep(tail);
            };
            self.token(token, out)?;
            rest = tail;
        }
        self.text(rest, out)
    }

    /// The input has ended: was that all?
    pub fn finish(&self) -> Result<(), RewriteError> {
        let is_whole = self.markup.is_empty() && self.document.is_some() && self.path.depth() == 0;
        if is_whole { Ok(()) } else { Err(RewriteError::Truncated) }
    }

    /// Completes the markup that an earlier piece began. Gives what follows it.
    fn resume<'a>(&mut self, input: &'a [u8], out: &mut BytesMut) -> Result<&'a [u8], RewriteError> {
        if self.markup.is_empty() {
            return Ok(input);
        }
        // Markup ends with `>`, but not every `>` ends it: it may stand in a comment or between quotes.
        let mut kept = 0;
        for end in memchr_iter(b'>', input).map(|at| at + 1) {
            self.keep(input.get(kept..end).unwrap_or_default())?;
            kept = end;
            if markup::end(&self.markup).is_some() {
                let token = std::mem::take(&mut self.markup);
                self.token(&token, out)?;
                return Ok(input.get(end..).unwrap_or_default());
            }
        }
        self.keep(input.get(kept..).unwrap_or_default())?;
        Ok(&[])
    }

    fn keep(&mut self, markup: &[u8]) -> Result<(), RewriteError> {
        extend(&mut self.markup, markup, MARKUP_BYTES_MAX)
    }

    fn token(&mut self, token: &[u8], out: &mut BytesMut) -> Result<(), RewriteError> {
        match Markup::parse(token)? {
            Markup::Start(name) => self.start(name, token, out),
            Markup::Empty(name) => self.empty(name, token, out),
            Markup::End(name) => self.end(name, token, out),
            Markup::CharacterData(data) => self.character_data(data, token, out),
            Markup::Silent => {
                if matches!(self.mode, Mode::Copy) {
                    out.extend_from_slice(token);
                }
                Ok(())
            }
        }
    }

    fn text(&mut self, text: &[u8], out: &mut BytesMut) -> Result<(), RewriteError> {
        // Providers send white space to keep a slow answer's connection open, and some a byte order mark.
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
        if self.path.depth() == 0 && !text.iter().all(is_blank) {
            return Err(RewriteError::Malformed);
        }
        match self.mode {
            Mode::Copy => out.extend_from_slice(text),
            Mode::Collect(_) => extend(&mut self.text, text, TEXT_BYTES_MAX)?,
            Mode::Skip(_) => {}
        }
        Ok(())
    }

    fn character_data(&mut self, data: &[u8], token: &[u8], out: &mut BytesMut) -> Result<(), RewriteError> {
        if self.path.depth() == 0 {
            return Err(RewriteError::Malformed);
        }
        match self.mode {
            Mode::Copy => out.extend_from_slice(token),
            Mode::Collect(_) => extend(&mut self.text, &text::escaped(data)?, TEXT_BYTES_MAX)?,
            Mode::Skip(_) => {}
        }
        Ok(())
    }

    fn start(&mut self, name: &[u8], token: &[u8], out: &mut BytesMut) -> Result<(), RewriteError> {
        let change = self.enter(name)?;
        match (self.mode, change) {
            (Mode::Skip(_), _) => {}
            // What the rules name is text. An element inside it is no document of S3.
            (Mode::Collect(_), _) => return Err(RewriteError::Malformed),
            (Mode::Copy, Change::LeaveOut) => self.mode = Mode::Skip(self.path.depth()),
            (Mode::Copy, Change::Keep) => out.extend_from_slice(token),
            (Mode::Copy, change) => {
                out.extend_from_slice(token);
                self.mode = Mode::Collect(change);
            }
        }
        Ok(())
    }

    fn empty(&mut self, name: &[u8], token: &[u8], out: &mut BytesMut) -> Result<(), RewriteError> {
        let change = self.enter(name)?;
        self.path.leave(name)?;
        match (self.mode, change) {
            (Mode::Skip(_), _) | (Mode::Copy, Change::LeaveOut) => {}
            (Mode::Collect(_), _) => return Err(RewriteError::Malformed),
            (Mode::Copy, change) => match change.apply(&self.names, &[])?.as_ref() {
                [] => out.extend_from_slice(token),
                text => markup::fill(token, text, out),
            },
        }
        Ok(())
    }

    fn end(&mut self, name: &[u8], token: &[u8], out: &mut BytesMut) -> Result<(), RewriteError> {
        self.path.leave(name)?;
        match self.mode {
            Mode::Copy => out.extend_from_slice(token),
            Mode::Collect(change) => {
                out.extend_from_slice(&change.apply(&self.names, &self.text)?);
                out.extend_from_slice(token);
                self.text.clear();
                self.mode = Mode::Copy;
            }
            Mode::Skip(depth) if self.path.depth() < depth => self.mode = Mode::Copy,
            Mode::Skip(_) => {}
        }
        Ok(())
    }

    /// Steps into an element. Gives what is to be done with its text.
    fn enter(&mut self, name: &[u8]) -> Result<Change, RewriteError> {
        let is_root = self.path.depth() == 0;
        self.path.enter(name)?;
        match self.document {
            Some(_) if is_root => Err(RewriteError::Malformed),
            Some(document) => Ok(document.change(self.path.below_root())),
            None => {
                let document = Document::of(name).ok_or(RewriteError::UnknownDocument)?;
                if document.is_about_whole_bucket && !self.names.key_prefix.is_empty() {
                    return Err(RewriteError::WholeBucket);
                }
                self.document = Some(document);
                Ok(Change::Keep)
            }
        }
    }
}

/// Appends within a bound.
fn extend(held: &mut Vec<u8>, more: &[u8], bytes_max: usize) -> Result<(), RewriteError> {
    if held.len() + more.len() > bytes_max {
        return Err(RewriteError::TooLong);
    }
    held.extend_from_slice(more);
    Ok(())
}
