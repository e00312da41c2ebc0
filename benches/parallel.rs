//! What do more cores bring to the shards of one stream?
//!
//! Eight busy shards, fed from memory with the same mixed events over zlib-stream, merged by one
//! `ShardEventStream` and decoded in one task: once on a runtime with one worker thread, pinned to
//! one core, and once with two. Rounds alternate, each a process of its own. What is counted is the
//! time from the first event to the last, once all shards are ready.
//!
//! `cargo bench --bench parallel` prints events a second and the ratio. It needs `taskset`. On two
//! cores of an AMD EPYC (November 2026): 147,000 and 265,000 events a second, a ratio of 1.8, in
//! three runs 1.68, 1.81 and 1.84.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "lengths of frames, and rates"
)]

use std::{
    env, fmt,
    hint::black_box,
    io::{self, Write as _},
    pin::Pin,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use base64::Engine as _;
use flate2::{Compress, Compression as Level, FlushCompress};
use futures::{
    StreamExt as _,
    future::{BoxFuture, FutureExt as _},
};
use shardstream::{
    Compression, Config, Dial, Duplex, Intents, Limits,
    discord::Event,
    local::Traffic,
    queue::LocalQueue,
    stream::{self, ShardEventStream},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const SHARDS: u32 = 8;
const EVENTS: usize = 15_000;
const ROUNDS: usize = 5;

fn main() {
    // `cargo bench` passes flags of its own, and `cargo test --benches` runs it too.
    let args: Vec<String> = env::args().collect();
    if let Some(at) = args.iter().position(|arg| arg == "--threads") {
        let threads = args[at + 1].parse().expect("a number of threads");
        println!("{}", run(threads));
        return;
    }
    if !args.iter().any(|arg| arg == "--bench") {
        println!("run by `cargo bench --bench parallel`");
        return;
    }
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(child(1, "0"));
        two.push(child(2, "0,1"));
    }
    let (one, two) = (median(one), median(two));
    println!("one thread on one core: {one:>9.0} events/s");
    println!("two threads:            {two:>9.0} events/s");
    println!("ratio: {:.2}", two / one);
}

fn child(threads: usize, cores: &str) -> f64 {
    let output = Command::new("taskset")
        .args(["-c", cores])
        .arg(env::current_exe().expect("a path"))
        .args(["--threads", &threads.to_string()])
        .output()
        .expect("taskset is there");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim().parse().expect("a number")
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Events a second.
fn run(threads: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime");
    // In a task, as busy programs do it: the main thread is no worker.
    let consumer = async { tokio::spawn(consume()).await.expect("no panic") };
    runtime.block_on(consumer)
}

async fn consume() -> f64 {
    let tape = Arc::new(Tape::new());
    let day = Duration::from_hours(24);
    let queue = LocalQueue::with_limits(SHARDS.into(), 1_000, 1_000, day, Duration::from_secs(5));
    let config = Config::builder("token", Intents::all())
        .gateway_url("ws://127.0.0.1:1")
        .compression(Compression::Zlib)
        .queue(Arc::new(queue))
        .dialler(Arc::clone(&tape) as Arc<dyn Dial>)
        .build()
        .expect("a configuration");
    let shards = stream::create_range(0..SHARDS, SHARDS, config, |_, builder| builder.build());
    let mut events = ShardEventStream::new(shards);
    let mut ready = 0;
    while ready < SHARDS {
        let (_, event) = events.next().await.expect("shards");
        ready += u32::from(matches!(event, Ok(Event::Ready(_))));
    }
    let total = EVENTS * SHARDS as usize;
    let begin = Instant::now();
    tape.gate.open();
    for _ in 0..total {
        let (_, event) = events.next().await.expect("shards");
        black_box(event.expect("an event"));
    }
    let rate = total as f64 / begin.elapsed().as_secs_f64();
    // Nothing is to be said politely to a tape.
    drop(events);
    rate
}

/// What every connection is served: a greeting, and behind the gate all events.
struct Tape {
    greeting: Arc<[u8]>,
    events: Arc<[u8]>,
    gate: Arc<Gate>,
}

impl Tape {
    fn new() -> Self {
        let mut zlib = Compress::new(Level::new(6), true);
        let mut messages = |texts: &mut dyn Iterator<Item = String>| {
            let mut bytes = Vec::new();
            for text in texts {
                let packed = pack(&mut zlib, text.as_bytes());
                frame(&packed, &mut bytes);
            }
            Arc::<[u8]>::from(bytes)
        };
        let hello = r#"{"op":10,"d":{"heartbeat_interval":3600000}}"#.to_owned();
        let ready = r#"{"t":"READY","s":1,"op":0,"d":{"v":10,"user":{"id":"1","username":"b",
            "discriminator":"0","avatar":null,"bot":true},"guilds":[],"session_id":"s",
            "resume_gateway_url":"ws://127.0.0.1:1","application":{"id":"1","flags":0}}}"#;
        let greeting = messages(&mut [hello, ready.to_owned()].into_iter());
        let frames = Traffic::mixed(7).take(EVENTS);
        let mut texts = (2_u64..).zip(frames).map(|(seq, event)| {
            format!(
                r#"{{"t":"{}","s":{seq},"op":0,"d":{}}}"#,
                event.name(),
                event.data()
            )
        });
        Self {
            greeting,
            events: messages(&mut texts),
            gate: Arc::default(),
        }
    }
}

fn pack(zlib: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    let mut used = 0;
    loop {
        let before = zlib.total_in();
        zlib.compress_vec(&text[used..], &mut out, FlushCompress::Sync)
            .expect("deflates");
        used += usize::try_from(zlib.total_in() - before).expect("a length");
        if used == text.len() && out.len() < out.capacity() {
            return out;
        }
        out.reserve(text.len());
    }
}

/// A binary frame of a server.
fn frame(payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x82);
    match payload.len() {
        len @ 0..126 => out.push(len as u8),
        len @ 126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[derive(Default)]
struct Gate {
    open: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Gate {
    fn open(&self) {
        self.open.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting.lock().expect("no panic"));
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tape")
    }
}

impl Dial for Tape {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let player = Player {
            asked: Vec::new(),
            upgraded: false,
            identified: false,
            reader: None,
            parts: vec![
                (Arc::clone(&self.events), 0),
                (Arc::clone(&self.greeting), 0),
            ],
            answer: Vec::new(),
            gate: Arc::clone(&self.gate),
        };
        async move { Ok(Box::new(player) as Box<dyn Duplex>) }.boxed()
    }
}

/// One connection's end at the tape.
struct Player {
    asked: Vec<u8>,
    upgraded: bool,
    identified: bool,
    /// Who waits for the next part.
    reader: Option<Waker>,
    /// What is still to be played, the next last, and how far.
    parts: Vec<(Arc<[u8]>, usize)>,
    answer: Vec<u8>,
    gate: Arc<Gate>,
}

impl fmt::Debug for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Player")
    }
}

impl AsyncWrite for Player {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.upgraded {
            // IDENTIFY, or later a heartbeat that the tape has no ear for.
            self.identified = true;
        } else {
            self.asked.extend_from_slice(bytes);
            if let Some(answer) = upgrade(&self.asked) {
                self.answer = answer;
                self.upgraded = true;
            }
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
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    let accept = base64::engine::general_purpose::STANDARD.encode(digest);
    let mut answer = Vec::new();
    write!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    .ok()?;
    Some(answer)
}

impl AsyncRead for Player {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.answer.is_empty() {
            let len = self.answer.len().min(out.remaining());
            out.put_slice(&self.answer[..len]);
            self.answer.drain(..len);
            return Poll::Ready(Ok(()));
        }
        let is_greeting = self.parts.len() == 2;
        // Hello comes first and READY after IDENTIFY; both lie in one part, and Hello is its
        // first frame.
        let may_play = match (self.upgraded, is_greeting) {
            (false, _) => false,
            (true, true) => {
                self.identified || self.parts.last().is_some_and(|(_, played)| *played == 0)
            }
            (true, false) => self.gate.open.load(Ordering::Acquire),
        };
        if !may_play {
            if !is_greeting {
                let mut waiting = self.gate.waiting.lock().expect("no panic");
                waiting.push(cx.waker().clone());
                if self.gate.open.load(Ordering::Acquire) {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some((part, played)) = self.parts.last_mut() else {
            return Poll::Pending;
        };
        // Only the first frame of the greeting goes out before IDENTIFY.
        let end = if is_greeting && *played == 0 {
            2 + usize::from(part[1])
        } else {
            part.len()
        };
        let len = (end - *played).min(out.remaining());
        out.put_slice(&part[*played..*played + len]);
        *played += len;
        if *played == part.len() {
            self.parts.pop();
        }
        Poll::Ready(Ok(()))
    }
}
