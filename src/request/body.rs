//! Bodies: reading a request's within its bounds, and a reply's that holds what admitted the request.

use std::{
    fmt::Display,
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::exchange::Exchange;
use crate::{
    clock,
    config::checked::ServerLimits,
    error::{Code, Error},
};

/// A reply's bytes that are handed over before others get their turn. The kernel takes megabytes at once from whoever has
/// them, and TLS encrypts them first: that is milliseconds.
const PIECE_BYTES_MAX: usize = 256 * 1024;

/// A body may be as slow as it likes for this long; a connection that has just opened has no rate worth measuring.
const SLOW_BODY_GRACE: Duration = Duration::from_secs(5);

/// Reads a JSON body of at most `body_bytes_max`, no slower than the limits allow. A request without a body is fine.
pub async fn read<B>(headers: &HeaderMap, body: B, limits: &ServerLimits) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    check_type(headers)?;
    read_any(body, limits).await
}

/// The same for a body of whatever type its sender thinks it has.
pub async fn read_any<B>(body: B, limits: &ServerLimits) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let announced = body.size_hint().lower();
    let bytes_max = limits.body_bytes_max;
    if usize::try_from(announced).map_or(true, |announced| announced > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let mut body = pin!(body);
    let mut pace = Pace::new(limits);
    let mut collected = Collected::Empty;
    while let Some(frame) = next_frame(body.as_mut(), &mut pace).await? {
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if collected.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        pace.received(data.len());
        collected = collected.push(data);
    }
    Ok(collected.finish())
}

fn check_type(headers: &HeaderMap) -> Result<(), Error> {
    let essence = headers.get(header::CONTENT_TYPE).map(|value| {
        let text = value.as_bytes();
        text.split(|byte| *byte == b';').next().unwrap_or(text).trim_ascii()
    });
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json")) {
        return Err(Error::new(Code::UnsupportedMediaType, "The body must be JSON.")
            .hint("Send the header `Content-Type: application/json`."));
    }
    let is_encoded = |value: &http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().any(is_encoded) {
        return Err(Error::new(Code::UnsupportedMediaType, "The body must not be compressed.")
            .hint("Send the body without Content-Encoding."));
    }
    Ok(())
}

fn too_large(bytes_max: usize) -> Error {
    Error::new(Code::PayloadTooLarge, format!("The body is larger than {bytes_max} bytes."))
}

async fn next_frame<B>(mut body: Pin<&mut B>, pace: &mut Pace) -> Result<Option<Frame<Bytes>>, Error>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    poll_fn(|context| match body.as_mut().poll_frame(context) {
        Poll::Ready(frame) => Poll::Ready(frame.transpose().map_err(|error| broken(&error))),
        Poll::Pending => pace.poll_overdue(context).map(Err),
    })
    .await
}

fn broken(error: &impl Display) -> Error {
    Error::new(Code::InvalidRequest, "The body ended before it was complete, or its framing is broken.")
        .cause(error.to_string())
}

/// Most bodies come as one piece, which is then not copied.
enum Collected {
    Empty,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn push(self, data: Bytes) -> Self {
        let mut joined = match self {
            Self::Empty => return Self::One(data),
            Self::One(first) => BytesMut::from(first),
            Self::Many(joined) => joined,
        };
        joined.extend_from_slice(&data);
        Self::Many(joined)
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

/// How long a body may still take. Only the time in which we wait for the client counts, not that in which what it sent
/// waits for us. No clock is read and no timer made unless the body makes us wait.
pub(crate) struct Pace {
    patience_max: Patience,
    bytes_per_second_min: u64,
    received: u64,
    /// Before the wait that is going on.
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy)]
enum Patience {
    /// For the whole body.
    Body(Duration),
    /// For the next piece of it: an object may take hours.
    Piece(Duration),
}

impl Pace {
    fn new(limits: &ServerLimits) -> Self {
        Self {
            patience_max: Patience::Body(limits.body_timeout),
            bytes_per_second_min: limits.body_bytes_per_second_min,
            received: 0,
            waited: Duration::ZERO,
            waiting_since: None,
            timer: None,
        }
    }

    /// For a body of any length, which may not be silent for longer than a small one may take.
    pub(crate) fn streaming(limits: &ServerLimits) -> Self {
        Self { patience_max: Patience::Piece(limits.body_timeout), ..Self::new(limits) }
    }

    /// Bytes came, which ends a wait.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received = self.received.saturating_add(bytes as u64);
        if let Some(since) = self.waiting_since.take() {
            self.waited = self.waited.saturating_add(since.elapsed());
        }
    }

    /// How long this wait may last, given what has come and how long that took; a least rate of 0 is none.
    fn patience(&self) -> Duration {
        let left = |whole: Duration| whole.saturating_sub(self.waited);
        let most = match self.patience_max {
            Patience::Body(whole) => left(whole),
            Patience::Piece(silence) => silence,
        };
        let earned = self.received.checked_div(self.bytes_per_second_min).map(Duration::from_secs);
        earned.map_or(most, |earned| most.min(left(SLOW_BODY_GRACE.saturating_add(earned))))
    }

    /// Resolves when the body is overdue, in all or by its rate so far.
    pub(crate) fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Error> {
        let due = *self.waiting_since.get_or_insert_with(clock::instant) + self.patience();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() > due {
            timer.as_mut().reset(due);
        }
        // An old timer may ring early; it is not set anew for every wait, of which a large body has many.
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= due {
                return Poll::Ready(
                    Error::new(Code::RequestTimeout, "The body did not arrive in time.")
                        .hint("Send the body without long pauses."),
                );
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

pin_project! {
    /// A reply's bytes, and the exchange that ends when they have been handed over or the client has gone.
    #[derive(Debug)]
    pub struct ReplyBody<B> {
        #[pin]
        body: B,
        rest: Rest,
        // On the heap: a reply is moved a dozen times before its first byte is out.
        exchange: Box<Exchange>,
    }
}

impl<B> ReplyBody<B> {
    pub(crate) fn new(body: B, exchange: Box<Exchange>) -> Self {
        Self { body, rest: Rest::default(), exchange }
    }
}

impl<B: Body<Data = Bytes>> Body for ReplyBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let frame = match ready!(this.rest.poll_piece(context)) {
            Some(piece) => Frame::data(piece),
            None => match ready!(this.body.poll_frame(context)) {
                Some(Ok(frame)) => frame.map_data(|data| this.rest.cut(data)),
                end_or_error => return Poll::Ready(end_or_error),
            },
        };
        this.exchange.sent(frame.data_ref().map_or(0, Bytes::len));
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.bytes.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.bytes.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

/// What of a large piece has not been handed over.
#[derive(Debug, Default)]
struct Rest {
    bytes: Bytes,
    has_paused: bool,
}

impl Rest {
    /// The beginning of `data`, of which the rest is kept.
    fn cut(&mut self, mut data: Bytes) -> Bytes {
        self.bytes = data.split_off(PIECE_BYTES_MAX.min(data.len()));
        data
    }

    /// More of it, when others had their turn; nothing where there is no more.
    fn poll_piece(&mut self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        self.has_paused = !self.has_paused;
        if self.has_paused {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let rest = std::mem::take(&mut self.bytes);
        Poll::Ready(Some(self.cut(rest)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http::HeaderValue;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A body in pieces that are all there.
    struct Pieces(VecDeque<Result<&'static str, &'static str>>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front().map(|piece| piece.map(|text| Frame::data(Bytes::from(text)))))
        }
    }

    fn limits(body_bytes_per_second_min: u64) -> ServerLimits {
        ServerLimits {
            connections_max: 1,
            connections_per_ip_max: 1,
            requests_in_flight_max: 1,
            header_bytes_max: 1,
            headers_max: 1,
            body_bytes_max: 100,
            documents_bytes_max: 1,
            header_timeout: SECOND,
            idle_timeout: SECOND,
            body_timeout: SECOND * 20,
            body_bytes_per_second_min,
            write_timeout: SECOND,
            reply_bytes_per_second_min: 1,
            streams_per_connection_max: 1,
        }
    }

    async fn read_json(
        pieces: impl IntoIterator<Item = Result<&'static str, &'static str>>,
    ) -> Result<Bytes, Code> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = Pieces(pieces.into_iter().collect());
        read(&headers, body, &limits(10)).await.map_err(|error| error.code)
    }

    #[tokio::test]
    async fn pieces_are_joined() {
        assert_eq!(read_json([Ok("{"), Ok("\"a\""), Ok(":1}")]).await.unwrap(), r#"{"a":1}"#);
    }

    #[tokio::test]
    async fn the_whole_is_bounded_however_it_is_cut() {
        assert_eq!(read_json([Ok("0123456789"); 10]).await.unwrap().len(), 100);
        assert_eq!(read_json([Ok("0123456789"); 11]).await.unwrap_err(), Code::PayloadTooLarge);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_refused() {
        let error = read_json([Ok("{"), Err("the client left")]).await.unwrap_err();
        assert_eq!(error, Code::InvalidRequest);
    }

    #[tokio::test]
    async fn others_have_their_turn_between_the_pieces_of_a_large_reply() {
        let whole: Bytes = (0..PIECE_BYTES_MAX * 5 / 2).map(|index| index.to_le_bytes()[0]).collect();
        let (mut rest, mut pauses) = (Rest::default(), 0);
        let mut pieces = vec![rest.cut(whole.clone())];
        while let Some(piece) = poll_fn(|context| {
            let polled = rest.poll_piece(context);
            pauses += u32::from(polled.is_pending());
            polled
        })
        .await
        {
            pieces.push(piece);
        }
        assert_eq!((pieces.len(), pauses), (3, 2));
        assert_eq!(pieces.concat(), whole);
        assert_eq!(rest.cut(Bytes::from_static(b"small")), "small");
        assert!(rest.bytes.is_empty());
    }

    #[test]
    fn bytes_earn_time_up_to_the_whole_body_s() {
        let mut pace = Pace::new(&limits(10));
        assert_eq!(pace.patience(), SLOW_BODY_GRACE);
        pace.received(30);
        assert_eq!(pace.patience(), SLOW_BODY_GRACE + SECOND * 3);
        pace.received(1_000_000);
        assert_eq!(pace.patience(), SECOND * 20);
        assert_eq!(Pace::new(&limits(0)).patience(), SECOND * 20);
    }
}
