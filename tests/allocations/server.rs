//! A server on a thread of its own that writes everything before anybody reads it.

use std::{
    io,
    sync::{Mutex, mpsc},
    thread,
};

use flate2::{Compress, FlushCompress};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, future::BoxFuture};
use shardstream::{Compression, Dial, Duplex, Limits};
use tokio::io::{DuplexStream, duplex};
use tokio_websockets::{Message, ServerBuilder};

/// More than the trace is long.
const PIPE_LEN: usize = 64 << 20;

/// Gives the one connection that there is.
#[derive(Debug)]
pub(crate) struct Pipe(Mutex<Option<DuplexStream>>);

impl Pipe {
    pub(crate) fn new(client: DuplexStream) -> Self {
        Self(Mutex::new(Some(client)))
    }
}

impl Dial for Pipe {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let stream = self.0.lock().expect("no panic before").take();
        async move {
            let stream = stream.ok_or(io::ErrorKind::NotConnected)?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

/// What the test holds of the server's thread.
pub(crate) struct Server {
    go: mpsc::Sender<()>,
    written: mpsc::Receiver<()>,
}

impl Server {
    /// Serves Hello and READY; the client's end, and what the rest waits for.
    pub(crate) fn start(
        compression: Compression,
        events: Vec<(String, String)>,
    ) -> (DuplexStream, Self) {
        let (client, stream) = duplex(PIPE_LEN);
        let (go, wait) = mpsc::channel();
        let (tell, written) = mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let serve = serve(stream, Packer::new(compression), events, wait, tell);
            runtime.expect("a runtime").block_on(serve);
        });
        (client, Self { go, written })
    }

    /// Writes the events, all of them before it returns.
    pub(crate) fn serve(&self) {
        self.go.send(()).expect("the server lives");
        self.written.recv().expect("the server lives");
    }
}

async fn serve(
    stream: DuplexStream,
    mut packer: Packer,
    events: Vec<(String, String)>,
    go: mpsc::Receiver<()>,
    written: mpsc::Sender<()>,
) {
    let accepted = ServerBuilder::new().accept(stream).await;
    let (_, mut socket) = accepted.expect("a request to upgrade");
    let hello = r#"{"op":10,"d":{"heartbeat_interval":41250}}"#;
    socket.send(packer.pack(hello)).await.expect("open");
    loop {
        let message = socket.next().await.expect("IDENTIFY").expect("open");
        if message
            .as_text()
            .is_some_and(|text| text.contains(r#""op":2"#))
        {
            break;
        }
    }
    let ready = r#"{"op":0,"s":1,"t":"READY","d":{"v":10,"session_id":"s"}}"#;
    socket.send(packer.pack(ready)).await.expect("open");
    if go.recv().is_err() {
        return;
    }
    for (n, (name, data)) in events.into_iter().enumerate() {
        let frame = format!(r#"{{"t":"{name}","s":{},"op":0,"d":{data}}}"#, n + 2);
        socket.feed(packer.pack(&frame)).await.expect("open");
    }
    socket.flush().await.expect("open");
    written.send(()).expect("the test lives");
    // The connection stays until the client goes.
    while let Some(Ok(_)) = socket.next().await {}
}

/// Compresses as the client asked.
struct Packer(Option<Compress>);

impl Packer {
    fn new(compression: Compression) -> Self {
        let zlib = compression == Compression::Zlib;
        Self(zlib.then(|| Compress::new(flate2::Compression::fast(), true)))
    }

    fn pack(&mut self, text: &str) -> Message {
        let Some(zlib) = &mut self.0 else {
            return Message::text(text.to_owned());
        };
        let mut packed = Vec::with_capacity(text.len() + 64);
        let done = zlib.compress_vec(text.as_bytes(), &mut packed, FlushCompress::Sync);
        assert!(done.is_ok() && packed.len() < packed.capacity());
        Message::binary(packed)
    }
}
