//! One connection: HELLO, IDENTIFY, READY, and then what the port is for.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use trace::encode::{Compression, Encoded, head, stored};

use super::http::Request;

/// Between READY and the first event that counts.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two paced events.
const PERIOD: Duration = Duration::from_micros(200);
/// Between the connections that have their turn.
const TURN: Duration = Duration::from_millis(20);
/// Paced events of a connection: two seconds of them.
pub const PACED_MAX: usize = 10_000;
/// Commands are small.
const COMMAND_LEN_MAX: u64 = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// All at once, on all connections.
    Burst,
    /// An event every [`PERIOD`].
    Paced,
    /// All at once, on one connection after the other.
    Turns,
}

pub struct Port {
    number: u16,
    pace: Pace,
    streams: BTreeMap<Compression, Arc<Encoded>>,
    /// Shards of a bot that have had READY; the events begin when all have.
    ready: Mutex<u64>,
    all_ready: Condvar,
    turn: Mutex<()>,
}

/// The writing end, which heartbeats are answered on once everything else was written.
struct Writer {
    stream: TcpStream,
    is_done: bool,
    acks_due: usize,
}

type Shared = Arc<Mutex<Writer>>;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Port {
    pub fn new(number: u16, pace: Pace, streams: BTreeMap<Compression, Arc<Encoded>>) -> Self {
        Self {
            number,
            pace,
            streams,
            ready: Mutex::new(0),
            all_ready: Condvar::new(),
            turn: Mutex::new(()),
        }
    }

    pub fn serve(self: Arc<Self>, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let request = Request::read(&mut stream)?;
        if !request.answer(self.number, &mut stream)? {
            return Ok(());
        }
        let compression = request.compression();
        let encoded = Arc::clone(&self.streams[&compression]);
        stream.write_all(&encoded.hello)?;
        let mut reader = BufReader::with_capacity(4 << 10, stream.try_clone()?);
        let writer = Writer {
            stream,
            is_done: false,
            acks_due: 0,
        };
        let writer = Arc::new(Mutex::new(writer));
        let mut is_identified = false;
        loop {
            let (opcode, payload) = read_frame(&mut reader)?;
            match opcode {
                1 | 2 => {}
                8 => {
                    let mut frame = Vec::new();
                    head(8, payload.len().min(2), &mut frame);
                    frame.extend_from_slice(&payload[..payload.len().min(2)]);
                    let mut writer = lock(&writer);
                    writer.stream.write_all(&frame)?;
                    return writer.stream.shutdown(std::net::Shutdown::Write);
                }
                _ => continue,
            }
            let command: Value = serde_json::from_slice(&payload)?;
            match command["op"].as_u64() {
                Some(1) => lock(&writer).ack(compression)?,
                Some(2) if !is_identified => {
                    is_identified = true;
                    let shards = command["d"]["shard"][1].as_u64().unwrap_or(1);
                    self.begin(&writer, compression, shards, &encoded)?;
                }
                _ => {}
            }
        }
    }

    /// READY and the prelude now; the rest in a thread of its own when all shards have that.
    fn begin(
        self: &Arc<Self>,
        writer: &Shared,
        compression: Compression,
        shards: u64,
        encoded: &Arc<Encoded>,
    ) -> io::Result<()> {
        lock(writer).stream.write_all(&encoded.prelude)?;
        if encoded.ends.is_empty() {
            return lock(writer).finish(compression);
        }
        let (port, writer, encoded) = (Arc::clone(self), Arc::clone(writer), Arc::clone(encoded));
        let thread = thread::Builder::new().stack_size(128 << 10);
        thread.spawn(move || {
            port.wait_for_all(shards);
            thread::sleep(PAUSE);
            // A client that leaves is no fault.
            let _left = port.play(&writer, compression, &encoded);
        })?;
        Ok(())
    }

    fn wait_for_all(&self, shards: u64) {
        let mut ready = lock(&self.ready);
        let round = *ready / shards;
        *ready += 1;
        if *ready % shards == 0 {
            self.all_ready.notify_all();
        }
        while *ready / shards == round {
            ready = self
                .all_ready
                .wait(ready)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn play(&self, writer: &Shared, compression: Compression, encoded: &Encoded) -> io::Result<()> {
        let mut stream = lock(writer).stream.try_clone()?;
        match self.pace {
            Pace::Burst => stream.write_all(&encoded.frames)?,
            Pace::Turns => {
                let _turn = lock(&self.turn);
                stream.write_all(&encoded.frames)?;
                thread::sleep(TURN);
            }
            Pace::Paced => {
                let begin = Instant::now();
                let mut from = 0;
                for (&to, n) in encoded.ends.iter().zip(0..PACED_MAX as u32) {
                    let due = begin + PERIOD * n;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    stream.write_all(&encoded.frames[from..to])?;
                    from = to;
                }
            }
        }
        lock(writer).finish(compression)
    }
}

impl Writer {
    /// Answers a heartbeat, or does so later: in the middle of a compressed stream nothing fits.
    fn ack(&mut self, compression: Compression) -> io::Result<()> {
        if self.is_done {
            let text = r#"{"t":null,"s":null,"op":11,"d":null}"#;
            self.stream.write_all(&stored(compression, text))
        } else {
            self.acks_due += 1;
            Ok(())
        }
    }

    fn finish(&mut self, compression: Compression) -> io::Result<()> {
        self.is_done = true;
        for _ in 0..std::mem::take(&mut self.acks_due) {
            self.ack(compression)?;
        }
        Ok(())
    }
}

/// A client's frame (RFC 6455 section 5.2): opcode and payload, unmasked.
fn read_frame(reader: &mut BufReader<TcpStream>) -> io::Result<(u8, Vec<u8>)> {
    let mut start = [0; 2];
    reader.read_exact(&mut start)?;
    let mut len = u64::from(start[1] & 0x7F);
    if len >= 126 {
        let mut more = [0; 8];
        let bytes = if len == 126 { 2 } else { 8 };
        reader.read_exact(&mut more[8 - bytes..])?;
        len = u64::from_be_bytes(more);
    }
    if len > COMMAND_LEN_MAX || start[1] & 0x80 == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut mask = [0; 4];
    reader.read_exact(&mut mask)?;
    let mut payload = vec![0; len as usize];
    reader.read_exact(&mut payload)?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok((start[0] & 0x0F, payload))
}
