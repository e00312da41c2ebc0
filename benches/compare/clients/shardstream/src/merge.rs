//! What does a stream of many shards cost? The same number of events from one shard or from many,
//! out of memory: the kernel's part would hide that of the stream.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use base64::Engine as _;
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
};
use kit::{Args, Meter, Report};
use shardstream::{
    Compression, Config, ConfigBuilder, Dial, Duplex, Intents, Limits,
    discord::Event,
    stream::{self, ShardEventStream},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Sequences have six digits, so that all events are of one length.
const FIRST_SEQ: u32 = 100_001;

pub async fn run(args: &Args) -> Report {
    let gate = Arc::new(Gate::default());
    let dialler = Dialler {
        gate: Arc::clone(&gate),
        events: args.events,
    };
    let config = Config::builder("token", Intents::all())
        .gateway_url("ws://127.0.0.1:1")
        .compression(Compression::None)
        .queue(Arc::new(super::queue(args.shards)))
        .dialler(Arc::new(dialler))
        .build()
        .expect("a configuration");
    let build = |_, builder: ConfigBuilder<_>| builder.build();
    let shards = stream::create_range(0..args.shards, args.shards, config, build);
    let mut events = ShardEventStream::new(shards);
    let mut next = async || loop {
        match events.next().await.expect("shards").1 {
            Ok(Event::Gateway(_)) => {}
            event => break event.expect("an event"),
        }
    };
    for _ in 0..args.shards {
        assert!(matches!(next().await, Event::Ready(_)), "READY comes first");
    }
    // The reading is taken when the gate opens.
    let total = args.events * args.shards as usize;
    let mut meter = Meter::new(&Args {
        skip: 1,
        events: total,
        ..args.clone()
    });
    assert!(meter.take().is_none(), "there are events");
    gate.open();
    loop {
        std::hint::black_box(next().await);
        if let Some(report) = meter.take() {
            return report;
        }
    }
}

#[derive(Debug)]
struct Dialler {
    gate: Arc<Gate>,
    events: usize,
}

impl Dial for Dialler {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let player = Player {
            asked: Vec::new(),
            due: Vec::new(),
            state: State::Upgrade,
            reader: None,
            left: self.events,
            seq: FIRST_SEQ,
            template: event(),
            gate: Arc::clone(&self.gate),
        };
        async move { Ok(Box::new(player) as Box<dyn Duplex>) }.boxed()
    }
}

/// An event's frame, whose sequence is written over.
fn event() -> Vec<u8> {
    let text = format!(
        concat!(
            r#"{{"t":"TYPING_START","s":{},"op":0,"d":{{"user_id":"228846961774559232","#,
            r#""timestamp":1772323200,"channel_id":"295808196675633163"}}}}"#
        ),
        FIRST_SEQ,
    );
    frame(&text)
}

/// A server's frame of fewer than 64 KiB of text.
fn frame(text: &str) -> Vec<u8> {
    let mut out = vec![0x81];
    match text.len() {
        len @ 0..126 => out.push(len as u8),
        len => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
    out
}

/// Where the sequence is in the frame of [`event`]: behind a head of four bytes.
const SEQ_AT: usize = 4 + r#"{"t":"TYPING_START","s":"#.len();

#[derive(Default)]
struct Gate {
    is_open: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    fn open(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_open.store(true, Ordering::Release);
        waiting.drain(..).for_each(Waker::wake);
    }

    /// Whether it is open; else the task is woken when it is.
    fn poll(&self, cx: &Context<'_>) -> bool {
        if self.is_open.load(Ordering::Acquire) {
            return true;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_open.load(Ordering::Acquire) {
            waiting.push(cx.waker().clone());
            return false;
        }
        true
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Upgrade,
    Identify,
    Events,
}

/// One connection's other end.
#[derive(Debug)]
struct Player {
    asked: Vec<u8>,
    /// What is to be read before any event.
    due: Vec<u8>,
    state: State,
    reader: Option<Waker>,
    left: usize,
    seq: u32,
    template: Vec<u8>,
    gate: Arc<Gate>,
}

impl AsyncWrite for Player {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.state {
            State::Upgrade => {
                self.asked.extend_from_slice(bytes);
                if let Some(answer) = upgrade(&self.asked) {
                    let hello = r#"{"op":10,"d":{"heartbeat_interval":1800000}}"#;
                    self.due = [answer, frame(hello)].concat();
                    self.state = State::Identify;
                }
            }
            // A heartbeat could come first, but not within half an hour's jitter for long.
            State::Identify => {
                let ready = ready();
                self.due.extend_from_slice(&ready);
                self.state = State::Events;
            }
            State::Events => {}
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Player {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.due.is_empty() {
            let len = self.due.len().min(out.remaining());
            out.put_slice(&self.due[..len]);
            self.due.drain(..len);
            return Poll::Ready(Ok(()));
        }
        if self.state != State::Events {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        // An event that does not fit is given in parts.
        if self.left == 0 || !self.gate.poll(cx) {
            return Poll::Pending;
        }
        while self.left > 0 {
            let seq = self.seq.to_string();
            self.template[SEQ_AT..SEQ_AT + seq.len()].copy_from_slice(seq.as_bytes());
            self.seq += 1;
            self.left -= 1;
            let len = self.template.len().min(out.remaining());
            out.put_slice(&self.template[..len]);
            if len < self.template.len() {
                self.due = self.template[len..].to_vec();
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn ready() -> Vec<u8> {
    frame(concat!(
        r#"{"t":"READY","s":100000,"op":0,"d":{"v":10,"user":{"id":"1","username":"b","#,
        r#""discriminator":"0","avatar":null,"bot":true},"guilds":[],"session_id":"s","#,
        r#""resume_gateway_url":"ws://127.0.0.1:1","application":{"id":"1","flags":0}}}"#
    ))
}

/// The answer to a whole upgrade request.
fn upgrade(asked: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(asked).ok()?;
    let head = text.strip_suffix("\r\n\r\n")?;
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then(|| value.trim())
    })?;
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = sha1_smol::Sha1::from(text).digest().bytes();
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some(answer.into_bytes())
}
