//! Who can tell what was written: a recorder, which sees every byte, and a real store, which keeps what is whole.

use wharf_demo::Store;

use super::{
    gateway::TestGateway,
    raw::Reply,
    recorder::Recorder,
    s3_client::{S3_KEYS, Wire, in_front_of},
    store,
};

/// The same gateway twice, its bucket `photos` once at each witness.
pub(crate) struct Witnesses {
    pub(crate) recorder: Recorder,
    recording: TestGateway,
    store: Store,
    storing: TestGateway,
}

impl Witnesses {
    pub(crate) async fn start() -> Self {
        Self::start_with(S3_KEYS).await
    }

    /// With more of a configuration than keys.
    pub(crate) async fn start_with(configuration: &str) -> Self {
        let recorder = Recorder::start().await;
        let recording = TestGateway::start(&in_front_of(&recorder.endpoint(), configuration)).await;
        let store = store::start("stored-photos").await;
        let storing = TestGateway::start(&in_front_of(&store.endpoint(), configuration)).await;
        Self { recorder, recording, store, storing }
    }

    /// Sends `wire` to both gateways, which refuse it alike; neither witness may have got the whole of anything.
    pub(crate) async fn refuse(&self, wire: &Wire) -> Reply {
        let reply = wire.send(&self.recording).await;
        let other = wire.send(&self.storing).await;
        assert_eq!((reply.status, reply.s3_code()), (other.status, other.s3_code()), "{reply:?} {other:?}");
        assert!(reply.status >= 400, "{reply:?}");
        self.recorder.settled().await;
        assert_eq!(self.recorder.complete(), 0, "{reply:?}");
        assert_eq!(self.stored(), Vec::<String>::new(), "{reply:?}");
        reply
    }

    /// The same where nothing may have left at all.
    pub(crate) async fn refuse_unsent(&self, wire: &Wire) -> Reply {
        let reply = self.refuse(wire).await;
        assert_eq!(self.recorder.requests().len(), 0, "{reply:?}");
        reply
    }

    /// Sends `wire` to both gateways, which take it.
    pub(crate) async fn accept(&self, wire: &Wire) {
        for gateway in [&self.recording, &self.storing] {
            let reply = wire.send(gateway).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    }

    /// What the store holds, by the names of its files.
    pub(crate) fn stored(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.store.directory().join("stored-photos")).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    }
}
