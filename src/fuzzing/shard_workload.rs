//! The whole shard against a server that may say anything.

use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt, ready};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, sleep, timeout},
};

use super::{
    input::Input,
    net::{GOOD_ANSWER, in_paused_time, with_accept},
};
use crate::{
    Config, Dial, Duplex, Error, Intents, Limits, Message, Reconnect, Shard, ShardId, Shutdown,
    platform::Compression, queue::LocalQueue,
};

/// Steps of one run, on the server's side and on the user's.
const STEPS_MAX: usize = 256;

/// How long a run is looked at.
const PATIENCE: Duration = Duration::from_mins(10);

/// What no text for the user may hold.
const TOKEN: &str = "CANARY.token";

/// A server in memory does what the bytes say, connection after connection: answers or refuses the
/// upgrade, says frames of every kind, waits, is silent, hangs up. The shard, in paused time, gives
/// what comes: sequences rise within a session, a fatal error stays, connects are not made in a
/// loop, no text holds the token, and the shutdown ends.
///
/// # Panics
///
/// Where that does not hold.
pub fn shard_workload(data: &[u8]) {
    fastrand::seed(1);
    let world = Arc::new(World::new(data));
    let kind = world.script().input.byte();
    let compression = if kind & 1 == 0 {
        Compression::None
    } else {
        Compression::Zlib
    };
    world.script().packs = kind & 1 != 0 && kind & 2 == 0;
    let config = Config::builder(TOKEN, Intents::GUILDS)
        .gateway_url("ws://127.0.0.1:9")
        .compression(compression)
        .queue(Arc::new(LocalQueue::new()))
        .dialler(Arc::new(Dialler(world.clone())))
        .build();
    let config = config.expect("a good configuration");
    in_paused_time(async {
        let start = Instant::now();
        let mut shard = Shard::with_config(ShardId::ONE, config);
        let run = timeout(PATIENCE, take(&mut shard, kind)).await;
        let dials = world.script().dials;
        let most = 16 + start.elapsed().as_secs() * 3;
        assert!(dials <= most, "{dials} connects in {:?}", start.elapsed());
        let is_over = matches!(run, Ok(true));
        let how = if kind & 4 == 0 {
            Shutdown::End
        } else {
            Shutdown::Keep
        };
        let shutdown = timeout(Duration::from_mins(1), shard.shutdown(how)).await;
        assert!(shutdown.is_ok(), "the shutdown does not end");
        if is_over {
            let error = shard.next_message().await.expect_err("it stays");
            assert!(error.is_fatal());
        }
    });
}

/// Takes what the shard gives; whether it ended.
async fn take(shard: &mut Shard, kind: u8) -> bool {
    let mut seq = 0;
    for step in 0..STEPS_MAX {
        match shard.next_message().await {
            Ok(Message::Frame(frame)) => {
                let name = frame.event_name();
                if name.as_deref() == Some("READY") {
                    seq = 0;
                } else if name.as_deref() == Some("RESUMED") {
                    // It stands for the end of the replay, whatever its number.
                    seq = seq.max(frame.seq().unwrap_or_default());
                } else if let Some(next) = frame.seq() {
                    assert!(next > seq, "{next} after {seq}");
                    seq = next;
                }
            }
            Ok(Message::Gateway(_)) => {}
            Err(error) => {
                is_clean(&error);
                if error.is_fatal() {
                    let again = shard.next_message().await.expect_err("it stays");
                    assert!(again.is_fatal() && again.kind() == error.kind());
                    return true;
                }
            }
        }
        assert!(!format!("{:?}", shard.status()).contains(TOKEN));
        if kind & 8 != 0 && step % 64 == 63 {
            shard.reconnect(if kind & 16 == 0 {
                Reconnect::Fresh
            } else {
                Reconnect::Resume
            });
        }
    }
    false
}

fn is_clean(error: &Error) {
    let text = format!("{error} {error:?}");
    assert!(!text.contains(TOKEN), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}

/// What all connections share.
struct World(Mutex<Script>);

struct Script {
    input: Input,
    steps: usize,
    dials: u64,
    /// The server packs what it says, where it was asked to.
    packs: bool,
    seq: u64,
}

impl World {
    fn new(data: &[u8]) -> Self {
        Self(Mutex::new(Script {
            input: Input::new(data),
            steps: 0,
            dials: 0,
            packs: false,
            seq: 0,
        }))
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Dialler(Arc<World>);

impl fmt::Debug for Dialler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialler")
    }
}

impl Dial for Dialler {
    fn dial(&self, _: &str, _: u16, _: &Limits) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        let mut script = self.0.script();
        script.dials += 1;
        if script.input.is_empty() || script.input.byte() == 0xff {
            return ready(Err(io::ErrorKind::ConnectionRefused.into())).boxed();
        }
        let (client, server) = duplex(16 << 10);
        let world = self.0.clone();
        // It ends with the connection: whatever it does next fails then, or waits for its end.
        tokio::spawn(async move { serve(server, &world).await });
        ready(Ok(Box::new(client) as Box<dyn Duplex>)).boxed()
    }
}

/// What the server does next.
enum Step {
    Hangup,
    Listen,
    Say(Vec<u8>),
    Sleep(Duration),
}

/// One connection.
async fn serve(mut stream: DuplexStream, world: &World) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let answer = world.script().answer();
    stream.write_all(&with_accept(&answer, &request)).await?;
    let mut pack = Pack::default();
    loop {
        let step = world.script().step(&mut pack);
        match step {
            Step::Hangup => return Ok(()),
            Step::Listen => {
                let mut heard = [0; 512];
                if stream.read(&mut heard).await? == 0 {
                    return Ok(());
                }
            }
            Step::Say(bytes) => stream.write_all(&bytes).await?,
            Step::Sleep(time) => sleep(time).await,
        }
    }
}

impl Script {
    /// To the upgrade.
    fn answer(&mut self) -> Vec<u8> {
        match self.input.byte() {
            0..240 => GOOD_ANSWER.to_vec(),
            240..245 => {
                let status = self.input.one_of(&["401", "403", "429", "503", "302"]);
                let after = self.input.byte();
                format!("HTTP/1.1 {status} No\r\nRetry-After: {after}\r\n\r\n").into_bytes()
            }
            _ => {
                let len = usize::from(self.input.byte());
                self.input.take(len).to_vec()
            }
        }
    }

    fn step(&mut self, pack: &mut Pack) -> Step {
        self.steps += 1;
        if self.steps > STEPS_MAX || self.input.is_empty() {
            // Whatever the client says from now on is heard and not answered.
            return Step::Listen;
        }
        match self.input.byte() {
            0..8 => Step::Hangup,
            8..40 => Step::Listen,
            40..64 => Step::Sleep(Duration::from_millis(1 << (self.input.byte() % 18))),
            64..72 => {
                let len = usize::from(self.input.byte());
                Step::Say(self.input.take(len).to_vec())
            }
            72..80 => {
                let code = self
                    .input
                    .one_of(&[1000, 4000, 4003, 4007, 4008, 4009, 4013, 4014]);
                Step::Say(frame(0x88, &u16::to_be_bytes(code)))
            }
            80..84 => Step::Say(frame(0x89, b"ping")),
            op => {
                let text = self.text(op);
                if self.packs {
                    return Step::Say(frame(0x82, &pack.message(text.as_bytes())));
                }
                let kind = if op & 7 == 7 { 0x82 } else { 0x81 };
                Step::Say(frame(kind, text.as_bytes()))
            }
        }
    }

    fn text(&mut self, op: u8) -> String {
        match op % 16 {
            0..3 => {
                let interval = self.input.one_of(&["41250", "1000", "5000", "0", "null"]);
                format!(r#"{{"t":null,"s":null,"op":10,"d":{{"heartbeat_interval":{interval}}}}}"#)
            }
            3 | 4 => {
                self.seq = 1;
                let id = self.input.one_of(&["\"one\"", "\"two\"", "null"]);
                format!(
                    r#"{{"t":"READY","s":1,"op":0,"d":{{"v":10,"session_id":{id},
                        "resume_gateway_url":"ws://127.0.0.1:10"}}}}"#
                )
            }
            5 => format!(
                r#"{{"t":"RESUMED","s":{},"op":0,"d":{{}}}}"#,
                self.next_seq()
            ),
            6..10 => {
                let (seq, len) = (self.next_seq(), usize::from(self.input.byte()) << (op & 7));
                format!(
                    r#"{{"t":"TEST","s":{seq},"op":0,"d":{{"n":"{}"}}}}"#,
                    "x".repeat(len)
                )
            }
            10 | 11 => r#"{"op":11}"#.to_owned(),
            12 => self
                .input
                .one_of(&[r#"{"op":1}"#, r#"{"op":7,"d":null}"#])
                .to_owned(),
            13 => self
                .input
                .one_of(&[r#"{"op":9,"d":true}"#, r#"{"op":9,"d":false}"#])
                .to_owned(),
            _ => {
                let len = usize::from(self.input.byte());
                String::from_utf8_lossy(&self.input.take(len)).into_owned()
            }
        }
    }

    fn next_seq(&mut self) -> u64 {
        self.seq = match self.input.byte() {
            0..200 => self.seq.saturating_add(1),
            200..240 => self.seq,
            240..250 => self.seq.saturating_add(7),
            250..254 => self.seq.saturating_sub(2),
            _ => self.input.u64(),
        };
        self.seq
    }
}

/// The server's side of the compression of one connection.
#[derive(Default)]
struct Pack {
    #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
    stream: Option<flate2::Compress>,
}

impl Pack {
    #[cfg(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock"))]
    fn message(&mut self, text: &[u8]) -> Vec<u8> {
        let fast = || flate2::Compress::new(flate2::Compression::fast(), true);
        let stream = self.stream.get_or_insert_with(fast);
        let mut packed = Vec::with_capacity(text.len() * 2 + 1024);
        let packing = stream.compress_vec(text, &mut packed, flate2::FlushCompress::Sync);
        packing.expect("it can be packed");
        packed
    }

    #[cfg(not(any(feature = "zlib-rs", feature = "zlib-ng", feature = "zlib-stock")))]
    fn message(&mut self, text: &[u8]) -> Vec<u8> {
        text.to_vec()
    }
}

/// A frame of a server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u64;
    let bytes = len.to_be_bytes();
    let mut frame = vec![first];
    match len {
        0..126 => frame.push(bytes[7]),
        126..65_536 => frame.extend([126, bytes[6], bytes[7]]),
        _ => {
            frame.push(127);
            frame.extend(bytes);
        }
    }
    frame.extend_from_slice(payload);
    frame
}
