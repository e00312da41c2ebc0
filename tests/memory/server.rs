//! The attacker: a gateway of raw bytes, one thread a connection.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compress, Compression, FlushCompress};

/// Nobody takes any bytes for so long: the attack is over.
const STALL: Duration = Duration::from_millis(500);

/// An empty stored block, with which a gateway ends each message.
pub(crate) const FLUSH: [u8; 5] = [0, 0, 0, 0xFF, 0xFF];

/// Serves one attack on every connection, until the process ends.
pub(crate) struct Server {
    port: u16,
    /// Hears of each attack that is over.
    pub(crate) over: Receiver<()>,
}

impl Server {
    pub(crate) fn start<A>(attack: A) -> Self
    where
        A: Fn(&mut Peer) -> io::Result<()> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (tell, over) = channel();
        let attack = Arc::new(attack);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (attack, tell) = (Arc::clone(&attack), tell.clone());
                thread::spawn(move || {
                    let mut peer = Peer {
                        stream,
                        zlib: false,
                    };
                    // The client may hang up at any time: that is its answer to most attacks.
                    let _ = peer.stream.set_write_timeout(Some(STALL));
                    let _ = attack(&mut peer);
                    let _ = tell.send(());
                    let _ = peer.wait();
                });
            }
        });
        Self { port, over }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

/// The server's end of a connection.
pub(crate) struct Peer {
    stream: TcpStream,
    zlib: bool,
}

impl Peer {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Writes the same again and again, in writes of a useful length.
    pub(crate) fn write_times(&mut self, bytes: &[u8], times: usize) -> io::Result<()> {
        let block = ((256 << 10) / bytes.len()).clamp(1, times);
        let blocks = bytes.repeat(block);
        for _ in 0..times / block {
            self.write(&blocks)?;
        }
        self.write(&bytes.repeat(times % block))
    }

    /// Ends the stream in good order.
    pub(crate) fn hang_up(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Reads until the client hangs up.
    fn wait(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }

    /// Reads a request; its first line and headers.
    pub(crate) fn request(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        String::from_utf8(head).map_err(io::Error::other)
    }

    /// All that comes before a session is active: upgrade, Hello, READY or RESUMED.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        let request = self.request()?;
        self.zlib = request.contains("compress=zlib-stream");
        let key = request
            .split("Sec-WebSocket-Key: ")
            .nth(1)
            .unwrap_or_default();
        let key = key.split('\r').next().unwrap_or_default();
        let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
        sha1.update(key.as_bytes());
        sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = STANDARD.encode(sha1.finish());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        self.write(answer.as_bytes())?;
        if self.zlib {
            // The header of a zlib stream may be a message of its own.
            self.write(&frame(0x82, &[0x78, 0x01]))?;
        }
        self.send(br#"{"op":10,"d":{"heartbeat_interval":41250}}"#)?;
        loop {
            let message = self.read_message()?;
            if message.contains(r#""op":2"#) {
                return self.send(br#"{"op":0,"s":1,"t":"READY","d":{"v":10,"session_id":"s"}}"#);
            }
            if message.contains(r#""op":6"#) {
                return self.send(br#"{"op":0,"s":2,"t":"RESUMED","d":{}}"#);
            }
        }
    }

    /// Sends a message, in a zlib stream if the client asked for one.
    pub(crate) fn send(&mut self, text: &[u8]) -> io::Result<()> {
        if self.zlib {
            self.write(&frame(0x82, &[&stored(text)[..], &FLUSH].concat()))
        } else {
            self.write(&frame(0x81, text))
        }
    }

    /// The client's next frame, of at most 64 KiB.
    fn read_message(&mut self) -> io::Result<String> {
        let _opcode = self.byte()?;
        let len = match self.byte()? & 0x7F {
            126 => usize::from(u16::from_be_bytes([self.byte()?, self.byte()?])),
            len => usize::from(len),
        };
        let mut masked = vec![0; 4 + len];
        self.stream.read_exact(&mut masked)?;
        let (mask, payload) = masked.split_at(4);
        let plain = payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b);
        String::from_utf8(plain.collect()).map_err(io::Error::other)
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}

/// The header of a server's frame, in the shortest form.
pub(crate) fn header(first: u8, len: u64) -> Vec<u8> {
    let mut header = vec![first];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ 0..=125), _) => header.push(len),
        (_, Ok(len)) => {
            header.push(126);
            header.extend(len.to_be_bytes());
        }
        _ => {
            header.push(127);
            header.extend(len.to_be_bytes());
        }
    }
    header
}

pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&header(first, payload.len() as u64), payload].concat()
}

/// A dispatch of exactly so many bytes.
pub(crate) fn event(seq: usize, len: usize) -> Vec<u8> {
    let head = format!(r#"{{"op":0,"s":{seq},"t":"MESSAGE_CREATE","d":""#);
    let content = len - head.len() - 2;
    [head.as_bytes(), &vec![b'a'; content], b"\"}"].concat()
}

/// Deflate's stored blocks, which may follow any flush.
pub(crate) fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / 1000 + 16);
    for block in data.chunks(u16::MAX.into()) {
        let len = u16::try_from(block.len()).unwrap_or_default();
        out.push(0);
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(block);
    }
    out
}

/// Deflated zeros, so many MiB, ended by a flush.
pub(crate) fn zeros(mib: usize) -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let mut piece = Vec::with_capacity(64 << 10);
    // A full flush forgets what was before it: the same piece may follow itself.
    deflate
        .compress_vec(&vec![0; 1 << 20], &mut piece, FlushCompress::Full)
        .expect("zeros");
    assert!(deflate.total_in() == 1 << 20 && piece.ends_with(&FLUSH[1..]));
    piece.repeat(mib)
}
