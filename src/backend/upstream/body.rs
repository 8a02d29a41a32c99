//! The body of a request to a provider: nothing, bytes at hand, or a stream that is made while it is sent.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::tenure::Tenure;

/// What is sent. To a store, a stream must know its length beforehand: S3 stores nothing of unknown length.
#[derive(Default)]
pub enum SendBody {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes at hand; they can be sent twice.
    Whole(Bytes),
    /// Made while it is sent, once. When it fails, the request breaks off before its end: the provider sees a connection
    /// or stream that was cut, never a complete body.
    Stream(BodyStream),
    /// One of these, whose last byte leaves only while its sender has the right to that.
    Held(Box<Held>),
}

/// A stream of unknown type: what is checked and decoded on the way differs from request to request.
pub type BodyStream = Pin<Box<dyn Body<Data = Bytes, Error = SendError> + Send>>;

impl SendBody {
    /// A body that is made while it is sent. Its size hint is exact, where the peer is a store.
    pub fn stream(body: impl Body<Data = Bytes, Error = SendError> + Send + 'static) -> Self {
        Self::Stream(Box::pin(body))
    }

    /// The same again, unless it can be sent but once.
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Stream(_) => None,
            Self::Held(held) => Some(held.body.again()?.while_held(&held.tenure)),
        }
    }

    /// The same, which does not end unless `tenure` is held then.
    #[must_use]
    pub fn while_held(self, tenure: &Arc<Tenure>) -> Self {
        let left = self.size_hint().exact();
        Self::Held(Box::new(Held { body: self, tenure: Arc::clone(tenure), left }))
    }

    /// Whether it may be sent at all, as far as that is known before.
    pub(super) fn check(&self) -> Result<(), SendError> {
        match self {
            Self::Empty | Self::Whole(_) | Self::Stream(_) => Ok(()),
            Self::Held(held) => held.check(),
        }
    }
}

/// A body whose last byte leaves only while a tenure is held.
pub struct Held {
    body: SendBody,
    tenure: Arc<Tenure>,
    /// Bytes that are still to leave, where that is known. Without a length, every piece could be the last one.
    left: Option<u64>,
}

impl Held {
    fn check(&self) -> Result<(), SendError> {
        let is_held = if self.body.is_end_stream() { self.tenure.spend() } else { self.tenure.check() };
        is_held.map_err(SendError::new)?;
        self.body.check()
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        let piece = ready!(Pin::new(&mut self.body).poll_frame(context));
        let Some(Ok(frame)) = &piece else { return Poll::Ready(piece) };
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        self.left = self.left.map(|left| left.saturating_sub(bytes));
        if self.left.is_none_or(|left| left == 0)
            && let Err(over) = self.tenure.spend()
        {
            return Poll::Ready(Some(Err(SendError::new(over))));
        }
        Poll::Ready(piece)
    }
}

impl From<Bytes> for SendBody {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) }
    }
}

impl Body for SendBody {
    type Data = Bytes;
    type Error = SendError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SendError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream.as_mut().poll_frame(context),
            Self::Held(held) => held.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.is_end_stream(),
            Self::Held(held) => held.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
            Self::Held(held) => held.body.size_hint(),
        }
    }
}

impl fmt::Debug for SendBody {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("Empty"),
            Self::Whole(bytes) => write!(out, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => out.write_str("Stream"),
            Self::Held(held) => write!(out, "Held({:?})", held.body),
        }
    }
}

/// Why a request's body broke off. Whoever made the body knows what it means, and finds it again in
/// [`super::UpstreamError::Body`].
#[derive(Debug, Clone)]
pub struct SendError(Arc<dyn Error + Send + Sync>);

impl SendError {
    /// Wraps what went wrong.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Arc::new(cause))
    }

    /// What went wrong, if it is a `T`.
    pub fn downcast_ref<T: Error + 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

/// The same error, not one that says the same.
impl PartialEq for SendError {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SendError {}

impl fmt::Display for SendError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Error for SendError {}
