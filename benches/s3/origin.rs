//! The store behind the gateways: it throws away what is put, and makes up what is got.
//!
//! As cheap as it can be, so that it is never the bottleneck: no HTTP library, one buffer per connection. An object's
//! key says how long the object is: `/bucket/4096-0017`.

use std::{
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use wharf::clock::Clock;

/// Bytes that are read or written at once.
const PIECE: usize = 256 * 1024;

/// What every object is made of.
static FILLER: [u8; PIECE] = [b'w'; PIECE];

/// Serves on a free loopback port, as tasks of this runtime, for as long as it runs.
pub(crate) async fn start() -> Result<SocketAddr, String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A gateway that hangs up ends its connection here, and nobody else is concerned.
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    });
    Ok(address)
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; PIECE];
    let mut filled = 0;
    loop {
        let Some(head_end) = head_end(buffer.get(..filled).unwrap_or_default()) else {
            match stream.read(buffer.get_mut(filled..).unwrap_or_default()).await? {
                0 => return Ok(()),
                read => filled += read,
            }
            continue;
        };
        let head = Head::read(buffer.get(..head_end).unwrap_or_default());
        if head.expects_continue {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let here = (filled - head_end).min(head.body_bytes);
        buffer.copy_within(head_end + here..filled, 0);
        filled -= head_end + here;
        discard(&mut stream, head.body_bytes - here).await?;
        reply(&mut stream, &head).await?;
    }
}

/// Where the body begins.
fn head_end(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// What matters of a request.
struct Head {
    wants_object: bool,
    has_reply_body: bool,
    object_bytes: usize,
    body_bytes: usize,
    expects_continue: bool,
}

impl Head {
    fn read(head: &[u8]) -> Self {
        let head = String::from_utf8_lossy(head);
        let mut lines = head.lines();
        let mut request = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (request.next().unwrap_or_default(), request.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        let key = path.rsplit('/').next().unwrap_or_default();
        let (mut body_bytes, mut expects_continue) = (0, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                body_bytes = value.trim().parse().unwrap_or_default();
            }
            expects_continue |= name.eq_ignore_ascii_case("expect");
        }
        Self {
            wants_object: method == "GET" || method == "HEAD",
            has_reply_body: method == "GET",
            object_bytes: key.split('-').next().and_then(|bytes| bytes.parse().ok()).unwrap_or_default(),
            body_bytes,
            expects_continue,
        }
    }
}

async fn discard(stream: &mut TcpStream, mut bytes: usize) -> std::io::Result<()> {
    // On the heap: every connection's task would carry it otherwise.
    let mut scrap = if bytes > 0 { vec![0; PIECE] } else { Vec::new() };
    while bytes > 0 {
        let read = stream.read(scrap.get_mut(..bytes.min(PIECE)).unwrap_or_default()).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes -= read;
    }
    Ok(())
}

/// A reply with the headers that stores send.
async fn reply(stream: &mut TcpStream, head: &Head) -> std::io::Result<()> {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(Clock::System.now().unix_millis()));
    let bytes = if head.wants_object { head.object_bytes } else { 0 };
    let of_object = if head.wants_object {
        "last-modified: Sat, 01 Aug 2026 12:00:00 GMT\r\naccept-ranges: bytes\r\ncontent-type: image/jpeg\r\n"
    } else {
        ""
    };
    let mut first = format!(
        "HTTP/1.1 200 OK\r\ndate: {date}\r\nserver: origin\r\nx-amz-request-id: 7ZB4V3H1K9Q2M5XT\r\n\
         x-amz-id-2: Zm9yIHRoZSBzYWtlIG9mIGl0cyBsZW5ndGggb25seQ==\r\n{of_object}\
         etag: \"9a0364b9e99bb480dd25e1f0284c8555\"\r\ncontent-length: {bytes}\r\n\r\n"
    )
    .into_bytes();
    let mut left = if head.has_reply_body { bytes } else { 0 };
    let beside = left.min(PIECE - first.len());
    first.extend_from_slice(FILLER.get(..beside).unwrap_or_default());
    left -= beside;
    stream.write_all(&first).await?;
    while left > 0 {
        let piece = left.min(PIECE);
        stream.write_all(FILLER.get(..piece).unwrap_or_default()).await?;
        left -= piece;
    }
    Ok(())
}
