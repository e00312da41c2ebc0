//! How do frames look on the wire? The server's side of RFC 6455, pure.
//!
//! Written here and not taken from the client's library, so that both cannot share a mistake, and
//! so that a test may have any byte it likes.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, BytesMut};

/// 1 MiB for one message of a client; the platform takes 4,096 bytes, the rest is for telling
/// "too long" apart from "will not fit in memory".
const MESSAGE_MAX: usize = 1 << 20;

/// What every key is hashed with (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Opcodes of RFC 6455 section 5.2.
pub(super) mod opcode {
    pub(in crate::local) const CONTINUATION: u8 = 0;
    pub(in crate::local) const TEXT: u8 = 1;
    pub(in crate::local) const BINARY: u8 = 2;
    pub(in crate::local) const CLOSE: u8 = 8;
    pub(in crate::local) const PING: u8 = 9;
    pub(in crate::local) const PONG: u8 = 10;
}

/// The `Sec-WebSocket-Accept` that answers `key`.
pub(super) fn accept_key(key: &[u8]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(GUID);
    STANDARD.encode(context.finish())
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClientFrame {
    /// A complete text or binary message.
    Message(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close {
        code: Option<u16>,
        reason: String,
    },
}

/// Undoes the frames of one client, whatever way they are cut.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: BytesMut,
    /// The message whose last fragment is still to come.
    partial: Option<Vec<u8>>,
}

/// The client broke RFC 6455; holds the close code that says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) u16);

const PROTOCOL: Broken = Broken(1002);
const TOO_LONG: Broken = Broken(1009);

struct Head {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    len: usize,
    payload_at: usize,
}

impl Decoder {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame that means something; `None` when more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<ClientFrame>, Broken> {
        while let Some(head) = read_head(&self.buffer)? {
            if self.buffer.len() < head.payload_at + head.len {
                break;
            }
            self.buffer.advance(head.payload_at);
            let mut payload = self.buffer.split_to(head.len).to_vec();
            for (byte, mask) in payload.iter_mut().zip(head.mask.iter().cycle()) {
                *byte ^= mask;
            }
            if let Some(frame) = self.assemble(&head, payload)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn assemble(&mut self, head: &Head, payload: Vec<u8>) -> Result<Option<ClientFrame>, Broken> {
        match head.opcode {
            opcode::TEXT | opcode::BINARY => {
                if self.partial.is_some() {
                    return Err(PROTOCOL);
                }
                if head.fin {
                    return Ok(Some(ClientFrame::Message(payload)));
                }
                self.partial = Some(payload);
                Ok(None)
            }
            opcode::CONTINUATION => {
                let mut message = self.partial.take().ok_or(PROTOCOL)?;
                if message.len() + payload.len() > MESSAGE_MAX {
                    return Err(TOO_LONG);
                }
                message.extend_from_slice(&payload);
                if head.fin {
                    return Ok(Some(ClientFrame::Message(message)));
                }
                self.partial = Some(message);
                Ok(None)
            }
            opcode::CLOSE => read_close(&payload).map(Some),
            opcode::PING => Ok(Some(ClientFrame::Ping(payload))),
            opcode::PONG => Ok(Some(ClientFrame::Pong)),
            _ => Err(PROTOCOL),
        }
    }
}

fn read_head(buffer: &[u8]) -> Result<Option<Head>, Broken> {
    let &[first, second, ref rest @ ..] = buffer else {
        return Ok(None);
    };
    let (fin, opcode, short) = (first & 0x80 != 0, first & 0x0f, second & 0x7f);
    let is_control = opcode & 0x08 != 0;
    // Clients must mask (section 5.1); extensions were not agreed, so no reserved bit may be set.
    if first & 0x70 != 0 || second & 0x80 == 0 || (is_control && (!fin || short > 125)) {
        return Err(PROTOCOL);
    }
    let (len, extended) = match short {
        126 => match rest.first_chunk::<2>() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8),
            None => return Ok(None),
        },
        short => (u64::from(short), 0),
    };
    let Some(len) = usize::try_from(len).ok().filter(|len| *len <= MESSAGE_MAX) else {
        return Err(TOO_LONG);
    };
    let Some(mask) = rest
        .get(extended..)
        .and_then(|rest| rest.first_chunk::<4>())
    else {
        return Ok(None);
    };
    Ok(Some(Head {
        fin,
        opcode,
        mask: *mask,
        len,
        payload_at: 2 + extended + 4,
    }))
}

fn read_close(payload: &[u8]) -> Result<ClientFrame, Broken> {
    let (code, reason) = match payload {
        [] => (None, &[][..]),
        [_] => return Err(PROTOCOL),
        [high, low, reason @ ..] => (Some(u16::from_be_bytes([*high, *low])), reason),
    };
    Ok(ClientFrame::Close {
        code,
        reason: String::from_utf8_lossy(reason).into_owned(),
    })
}

/// Appends one frame of a server: not masked.
pub(super) fn write_frame(fin: bool, opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(if fin { 0x80 | opcode } else { opcode });
    // The shortest form that fits is the law (section 5.2).
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(len @ 0..=125), _) => out.push(len),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a message, in fragments of at most `fragment` bytes where that is asked for.
pub(super) fn write_message(opcode: u8, payload: &[u8], fragment: usize, out: &mut Vec<u8>) {
    if fragment == 0 || payload.len() <= fragment {
        return write_frame(true, opcode, payload, out);
    }
    let mut pieces = payload.chunks(fragment).enumerate().peekable();
    while let Some((index, piece)) = pieces.next() {
        let opcode = if index == 0 {
            opcode
        } else {
            opcode::CONTINUATION
        };
        write_frame(pieces.peek().is_none(), opcode, piece, out);
    }
}

/// Appends a close frame; without a code there is no reason either.
pub(super) fn write_close(code: Option<u16>, reason: &str, out: &mut Vec<u8>) {
    let mut payload = Vec::new();
    if let Some(code) = code {
        payload.extend_from_slice(&code.to_be_bytes());
        // 125 bytes is the most that a control frame holds; cut between characters.
        let mut end = reason.len().min(123);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        payload.extend_from_slice(&reason.as_bytes()[..end]);
    }
    write_frame(true, opcode::CLOSE, &payload, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![
            first,
            0x80 | u8::try_from(payload.len()).unwrap(),
            1,
            2,
            3,
            4,
        ];
        bytes.extend(
            payload
                .iter()
                .zip([1, 2, 3, 4].iter().cycle())
                .map(|(b, m)| b ^ m),
        );
        bytes
    }

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let mut bytes = masked(0x01, b"ab");
        bytes.extend(masked(0x89, b"ping"));
        bytes.extend(masked(0x80, b"c"));
        bytes.extend(masked(0x88, b"\x03\xe8bye"));
        for piece in 1..bytes.len() {
            let mut decoder = Decoder::default();
            let mut frames = Vec::new();
            for piece in bytes.chunks(piece) {
                decoder.push(piece);
                while let Some(frame) = decoder.next().unwrap() {
                    frames.push(frame);
                }
            }
            let close = ClientFrame::Close {
                code: Some(1000),
                reason: "bye".into(),
            };
            let ping = ClientFrame::Ping(b"ping".to_vec());
            assert_eq!(frames, [ping, ClientFrame::Message(b"abc".to_vec()), close]);
        }
    }

    #[test]
    fn a_client_that_breaks_the_rules_is_told_which() {
        let unmasked = vec![0x81, 1, b'a'];
        let long_ping = masked(0x89, &[0; 126]);
        let mut huge = vec![0x82, 0xff];
        huge.extend(u64::MAX.to_be_bytes());
        for (bytes, code) in [
            (unmasked, 1002),
            (masked(0xc1, b"a"), 1002),
            (masked(0x80, b"stray"), 1002),
            (masked(0x83, b""), 1002),
            (masked(0x09, b""), 1002),
            (masked(0x88, b"x"), 1002),
            (long_ping, 1002),
            (huge, 1009),
        ] {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            assert_eq!(decoder.next(), Err(Broken(code)), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_are_written_in_their_shortest_form() {
        for (len, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut out = Vec::new();
            write_frame(true, opcode::TEXT, &vec![0; len], &mut out);
            assert_eq!(out.len(), len + head);
        }
        let mut out = Vec::new();
        write_message(opcode::TEXT, b"abcde", 2, &mut out);
        assert_eq!(out, b"\x01\x02ab\x00\x02cd\x80\x01e");
    }
}
