//! An upstream that writes down every byte it gets, in the order of arrival.
//!
//! It speaks just enough HTTP/1.1 to be taken for an S3 provider, verifies nothing and forgives nothing: what it has is
//! what was sent. A real store hides that it was sent half of a bad object; this one shows whether it was sent the whole.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

/// Nothing that a test waits for takes this long unless it never comes.
const PATIENCE: Duration = Duration::from_mins(1);

const READ_BYTES: usize = 64 * 1024;

/// One request, as far as it has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    /// The request line and the header lines. Empty until they are complete.
    pub(crate) head: String,
    /// What has come of the body, with its framing.
    pub(crate) body: Vec<u8>,
    /// Whether the body is there to the last byte that the head announced.
    pub(crate) is_complete: bool,
    /// Whether the peer has closed the connection, or reset it.
    pub(crate) is_closed: bool,
}

impl Recorded {
    pub(crate) fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Path and query, as they came.
    pub(crate) fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    fn judge(&mut self) {
        let length = self.header("content-length").map(|length| length.parse::<usize>().expect("a length"));
        self.is_complete = match length {
            Some(length) => self.body.len() >= length,
            None if self.header("transfer-encoding").is_some() => self.body.ends_with(b"0\r\n\r\n"),
            None => true,
        };
    }
}

/// What the recorder says, and what it does then.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    then: Then,
    /// What it waits for.
    after: Option<Arc<Semaphore>>,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    /// Waits for the next request, or the end.
    Read,
    /// Closes the connection.
    Close,
    /// Resets it.
    Reset,
}

impl Answer {
    /// A whole reply, after which the connection is kept.
    pub(crate) fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Read, after: None }
    }

    /// The same, but the connection is closed.
    pub(crate) fn and_close(bytes: impl Into<Vec<u8>>) -> Self {
        Self { then: Then::Close, ..Self::new(bytes) }
    }

    /// The same, but the connection is reset.
    pub(crate) fn and_reset(bytes: impl Into<Vec<u8>>) -> Self {
        Self { then: Then::Reset, ..Self::new(bytes) }
    }

    /// The same, but only when `gate` has a permit. Nothing is read meanwhile.
    pub(crate) fn after(self, gate: &Arc<Semaphore>) -> Self {
        Self { after: Some(Arc::clone(gate)), ..self }
    }

    /// What a store says of an object that it has stored.
    pub(crate) fn stored() -> Self {
        Self::new(
            "HTTP/1.1 200 OK\r\netag: \"0123456789abcdef0123456789abcdef\"\r\ncontent-length: 0\r\n\r\n",
        )
    }
}

/// Asked when a request's head has come, and again with every piece of its body; `None` says nothing yet.
type Script = Arc<dyn Fn(&Recorded) -> Option<Answer> + Send + Sync>;

/// The recorder. Dropping it closes its connections.
pub(crate) struct Recorder {
    address: SocketAddr,
    record: watch::Receiver<Vec<Recorded>>,
    refused: Arc<Notify>,
    _tasks: JoinSet<()>,
}

impl Recorder {
    /// Answers every complete request as a store does that keeps it.
    pub(crate) async fn start() -> Self {
        Self::answering(|request| request.is_complete.then(Answer::stored)).await
    }

    /// Answers as `script` says.
    pub(crate) async fn answering(
        script: impl Fn(&Recorded) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().unwrap();
        let (writer, record) = watch::channel(Vec::new());
        let (writer, script): (_, Script) = (Arc::new(writer), Arc::new(script));
        let (mut tasks, refused) = (JoinSet::new(), Arc::new(Notify::new()));
        let refuse = Arc::clone(&refused);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = refuse.notified() => break,
                };
                let Ok((stream, _)) = accepted else { break };
                let connection = Connection { stream, buffer: Vec::new(), record: Arc::clone(&writer) };
                connections.spawn(connection.serve(Arc::clone(&script)));
            }
            drop(listener);
            connections.join_all().await;
        });
        Self { address, record, refused, _tasks: tasks }
    }

    /// Takes no connections from now on. Those that there are go on.
    pub(crate) async fn refuse(&self) {
        self.refused.notify_one();
        let is_refused = async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, is_refused).await.expect("a listener that ends");
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far, in the order in which requests began.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.record.borrow().clone()
    }

    /// How many complete requests there were.
    pub(crate) fn complete(&self) -> usize {
        self.record.borrow().iter().filter(|request| request.is_complete).count()
    }

    /// Waits until the record is as `is_so` says.
    pub(crate) async fn until(&self, is_so: impl FnMut(&Vec<Recorded>) -> bool) {
        let mut record = self.record.clone();
        let waited = timeout(PATIENCE, record.wait_for(is_so)).await;
        assert!(waited.is_ok(), "it never came; what came is {:?}", Self::heads(&self.record.borrow()));
    }

    /// Waits until every request that began is complete or cut.
    pub(crate) async fn settled(&self) {
        self.until(|record| record.iter().all(|request| request.is_complete || request.is_closed)).await;
    }

    fn heads(record: &[Recorded]) -> Vec<(&str, usize)> {
        record.iter().map(|request| (request.head.as_str(), request.body.len())).collect()
    }
}

struct Connection {
    stream: TcpStream,
    /// Read and not yet written down.
    buffer: Vec<u8>,
    record: Arc<watch::Sender<Vec<Recorded>>>,
}

impl Connection {
    async fn serve(mut self, script: Script) {
        let mut last = None;
        while !self.buffer.is_empty() || self.fill().await {
            let at = self.begin();
            last = Some(at);
            if !self.request(at, &script).await {
                break;
            }
        }
        self.record.send_modify(|record| last.into_iter().for_each(|at| record[at].is_closed = true));
    }

    /// Opens the record of a request.
    fn begin(&self) -> usize {
        let mut at = 0;
        self.record.send_modify(|record| {
            at = record.len();
            record.push(Recorded::default());
        });
        at
    }

    /// Takes one request and answers it. Returns whether another may follow.
    async fn request(&mut self, at: usize, script: &Script) -> bool {
        let mut script = Some(script);
        loop {
            if let Some(answer) = self.write_down(at, script) {
                script = None;
                if let Some(gate) = &answer.after {
                    gate.acquire().await.expect("an open gate").forget();
                }
                // A peer that has gone has said enough.
                let _ = self.stream.write_all(&answer.bytes).await;
                match answer.then {
                    Then::Read => {}
                    Then::Close => return false,
                    Then::Reset => {
                        self.stream.set_zero_linger().expect("an open connection");
                        return false;
                    }
                }
            }
            if script.is_none() && self.record.borrow()[at].is_complete {
                return true;
            }
            if !self.fill().await {
                return false;
            }
        }
    }

    /// Moves what was read to the record, and asks `script` what to say.
    fn write_down(&mut self, at: usize, script: Option<&Script>) -> Option<Answer> {
        let mut answer = None;
        let buffer = &mut self.buffer;
        self.record.send_modify(|record| {
            let request = &mut record[at];
            if request.head.is_empty() {
                let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return };
                request.head = String::from_utf8_lossy(&buffer[..end]).into_owned();
                buffer.drain(..end + 4);
            }
            request.body.append(buffer);
            request.judge();
            answer = script.and_then(|script| script(request));
        });
        answer
    }

    /// Reads more. `false` at the end.
    async fn fill(&mut self) -> bool {
        self.buffer.reserve(READ_BYTES);
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|bytes| bytes > 0)
    }
}
