//! HTTP by hand, for what no client library would send.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::gateway::KEY;

/// Nothing that a test waits for takes this long unless it never comes.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a test watches for something that must not come.
const WATCH: Duration = Duration::from_millis(150);

/// One connection, plain unless it was given another stream.
pub(crate) struct Raw<S = TcpStream> {
    stream: S,
    /// Read and not yet taken.
    buffer: Vec<u8>,
}

/// A reply, taken apart as far as tests need it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// What stands behind the status.
    pub(crate) fn reason(&self) -> &str {
        self.head.lines().next().and_then(|line| line.splitn(3, ' ').nth(2)).unwrap_or_default()
    }

    /// All values of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        pairs.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The `error` of the envelope.
    pub(crate) fn code(&self) -> String {
        let envelope: serde_json::Value = serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body of {self:?}"));
        envelope["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("the gateway accepts connections"))
    }

    /// Connects from another address of this machine (all of 127.0.0.0/8 are).
    pub(crate) async fn connect_from(client: [u8; 4], address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((client, 0).into()).expect("an address of this machine");
        Self::over(socket.connect(address).await.expect("the gateway accepts connections"))
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().expect("an open connection");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the gateway reads").expect("the connection is open");
    }

    /// Says that nothing more will come.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("the connection is open");
    }

    /// Sends as much as the gateway takes; `false` when it took no more.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        matches!(timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await, Ok(Ok(())))
    }

    /// The next reply. Its body must have a length, come in chunks, or be empty.
    pub(crate) async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        if reply.header("transfer-encoding") == Some("chunked") {
            reply.body = String::from_utf8(self.chunks().await).expect("a body of UTF-8");
            return reply;
        }
        let length = reply.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        while self.buffer.len() < length {
            assert!(self.fill().await > 0, "the connection ended within a reply: {reply:?}");
        }
        reply.body = String::from_utf8(self.buffer.drain(..length).collect()).expect("a body of UTF-8");
        reply
    }

    /// The head of the next reply, whose body comes another way or not at all.
    pub(crate) async fn head(&mut self) -> Reply {
        let head_end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.fill().await > 0, "the connection ended before a reply: {:?}", self.text());
        };
        let head: Vec<u8> = self.buffer.drain(..head_end).collect();
        let head = String::from_utf8(head).expect("a head of ASCII");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        Reply { status, head, body: String::new() }
    }

    /// A body in chunks, without trailers.
    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let size_end = loop {
                if let Some(end) = find(&self.buffer, b"\r\n") {
                    break end;
                }
                assert!(self.fill().await > 0, "the connection ended within a reply: {:?}", self.text());
            };
            let size = self.bytes(size_end + 2).await;
            let size = str::from_utf8(&size).expect("a size of ASCII").trim_end();
            let size = usize::from_str_radix(size, 16).expect("a size of hexadecimal");
            body.extend(self.bytes(size + 2).await.drain(..size));
            if size == 0 {
                return body;
            }
        }
    }

    /// The next `count` bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(
                self.fill().await > 0,
                "the connection ended after {} of {count} bytes",
                self.buffer.len()
            );
        }
        self.buffer.drain(..count).collect()
    }

    /// How many bytes come next, at most `bytes_max`, which are forgotten; none at the end.
    pub(crate) async fn some_bytes(&mut self, bytes_max: usize) -> Option<usize> {
        self.buffer = Vec::with_capacity(bytes_max);
        Some(self.fill().await).filter(|bytes| *bytes > 0)
    }

    /// Sends a request and takes its reply.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.send(bytes).await;
        self.reply().await
    }

    /// What comes until the connection ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.fill().await > 0 {}
        std::mem::take(&mut self.buffer)
    }

    /// Waits until the gateway closes the connection; returns what came before.
    pub(crate) async fn closed(&mut self) -> String {
        while self.fill().await > 0 {}
        self.text()
    }

    /// Whether nothing comes for a moment, not even the end.
    pub(crate) async fn is_quiet(&mut self) -> bool {
        timeout(WATCH, self.stream.read_u8()).await.is_err()
    }

    async fn fill(&mut self) -> usize {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        // A reset is an end as well.
        read.expect("the gateway answers or closes").unwrap_or(0)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A whole request that succeeds wherever `KEY_CONFIG` is in force.
pub(crate) fn good_request() -> String {
    post("/api/v1/upload/validate-key", "")
}

/// A POST of JSON with [`KEY`].
pub(crate) fn post(path: &str, body: &str) -> String {
    format!("{}{body}", post_head(path, body.len()))
}

/// The head of a POST of JSON with [`KEY`], for bodies that come another way.
pub(crate) fn post_head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: wharf.test\r\nx-api-key: {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Asks for something that must succeed, on a connection of its own.
pub(crate) async fn neighbour_is_served(address: SocketAddr) {
    let reply = Raw::connect(address).await.ask(good_request()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}
