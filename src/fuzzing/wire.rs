//! The answer to the upgrade, and WebSocket frames.

use std::{future::poll_fn, time::Duration};

use super::{
    input::Input,
    net::{GOOD_ANSWER, Pipe, Server, in_paused_time},
};
use crate::{
    Limits, Tls,
    platform::GatewayUrl,
    transport::{ConnectError, Connector, Read},
};

/// What a connection came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    refused: Option<(Option<u16>, Option<Duration>, String)>,
    messages: Vec<Message>,
    end: Option<End>,
}

#[derive(Debug, PartialEq)]
enum Message {
    Binary(Vec<u8>),
    Text(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Broken,
    Closed(Option<u16>),
    Cut,
    TooLong,
}

fn limits() -> Limits {
    Limits {
        upgrade_len_max: 4 << 10,
        upgrade_headers_max: 16,
        message_len_max: 1 << 18,
        fragments_max: 10,
        ..Limits::default()
    }
}

/// Connects to a server that says `bytes` in reads of these lengths and then hangs up.
fn connect(bytes: &[u8], reads: &[u8]) -> Outcome {
    let server = Server::new(bytes, reads);
    let url = GatewayUrl::configured("ws://127.0.0.1:9").expect("a good url");
    let dialler = std::sync::Arc::new(Pipe(server.clone()));
    let connector = Connector::new(Tls::Default, Some(dialler), limits());
    in_paused_time(async {
        let mut outcome = Outcome {
            refused: None,
            messages: Vec::new(),
            end: None,
        };
        let mut socket = match connector.connect(&url, "").await {
            Ok(socket) => socket,
            Err(refused) => {
                outcome.refused = Some(told(&refused));
                assert!(server.taken() <= limits().upgrade_len_max);
                return outcome;
            }
        };
        loop {
            let read = poll_fn(|cx| {
                let _ = socket.poll_flush(cx);
                socket.poll_read(cx)
            });
            outcome.end = Some(match read.await {
                Read::Text(text) => {
                    let bytes = text.as_bytes().to_vec();
                    assert!(str::from_utf8(&bytes).is_ok() && text.len() <= 1 << 18);
                    outcome.messages.push(Message::Text(bytes));
                    continue;
                }
                Read::Binary(bytes) => {
                    assert!(bytes.len() <= 1 << 18);
                    outcome.messages.push(Message::Binary(bytes.to_vec()));
                    continue;
                }
                Read::Closed { code, .. } => End::Closed(code),
                Read::Cut(_) => End::Cut,
                Read::Broken => End::Broken,
                Read::TooLong => End::TooLong,
            });
            let after = poll_fn(|cx| socket.poll_read(cx)).await;
            assert!(matches!(after, Read::Cut(_)), "nothing follows");
            return outcome;
        }
    })
}

fn told(refused: &ConnectError) -> (Option<u16>, Option<Duration>, String) {
    let text = refused.error.to_string();
    assert!(
        text.len() < 600 && !text.contains(char::is_control),
        "{text}"
    );
    (refused.status, refused.retry_after, text)
}

/// Any answer to the upgrade, `{accept}` standing for the value that the client's key wants, and
/// frames behind it: the outcome is the same however the bytes come, no more than the limit is read
/// of an answer that is refused, and only one with status 101 and that value is taken.
///
/// # Panics
///
/// Where that does not hold.
pub fn upgrade(data: &[u8]) {
    let mut input = Input::new(data);
    let reads = input.take(4);
    let answer = input.rest();
    let whole = connect(&answer, &[]);
    let pieces = connect(&answer, &reads);
    assert_same(&whole, &pieces);
    if whole.refused.is_none() {
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").expect("a head has an end");
        let head = answer[..end].to_ascii_lowercase();
        assert!(head.trim_ascii_start().starts_with(b"http/1.1 101"));
        for part in [&b"{accept}"[..], b"websocket", b"upgrade"] {
            assert!(memchr::memmem::find(&head, part).is_some());
        }
    }
}

/// Frames of every shape behind a good answer: the messages, and how the connection ends, are
/// those that a plain reading of RFC 6455 gives, however the bytes come.
///
/// # Panics
///
/// Where that does not hold.
pub fn websocket(data: &[u8]) {
    let mut input = Input::new(data);
    let reads = input.take(4);
    let mut stream = Vec::new();
    for _ in 0..64 {
        // Twice the longest message; more would be slow and nothing new.
        if input.is_empty() || stream.len() > 2 << 18 {
            break;
        }
        push_frame(&mut stream, &mut input);
    }
    let bytes = [GOOD_ANSWER, &stream].concat();
    let whole = connect(&bytes, &[]);
    let pieces = connect(&bytes, &reads);
    assert_same(&whole, &pieces);
    let (messages, end, ends_in_bad_text) = plain_reading(&stream);
    assert_eq!(whole.messages, messages);
    // A text in pieces is found to be none as soon as it is.
    let early = ends_in_bad_text && whole.end == Some(End::Broken);
    assert!(whole.end == Some(end) || early, "{:?} {end:?}", whole.end);
}

#[track_caller]
fn assert_same(whole: &Outcome, pieces: &Outcome) {
    assert_eq!(whole.refused, pieces.refused);
    assert_eq!(whole.messages, pieces.messages);
    // How much of a text that is none was there when the stream ended is a matter of time.
    let ends = [whole.end, pieces.end];
    let late = ends.contains(&Some(End::Cut)) && ends.contains(&Some(End::Broken));
    assert!(late || whole.end == pieces.end, "{ends:?}");
}

/// A frame, or bytes that may be none.
fn push_frame(stream: &mut Vec<u8>, input: &mut Input) {
    let (shape, first) = (input.byte(), input.byte());
    let payload = match shape & 3 {
        0 => {
            let len = usize::from(first);
            stream.extend_from_slice(&input.take(len));
            return;
        }
        1 => input.take(usize::from(shape >> 2)).to_vec(),
        2 => vec![b'a'; usize::from(input.u16()) << (shape >> 6)],
        _ => "\u{1f600}é".repeat(usize::from(input.u16())).into_bytes(),
    };
    stream.push(first);
    // The form of the length is the shortest, unless a bit asks for another.
    let longer = usize::from(shape & 0x1c == 0x1c);
    let form = match payload.len() {
        0..=125 => longer,
        126..=0xffff => 1 + longer,
        _ => 2,
    };
    let len = payload.len() as u64;
    let len = len.to_be_bytes();
    match form {
        0 => stream.push(len[7]),
        1 => stream.extend([126, len[6], len[7]]),
        _ => {
            stream.push(127);
            stream.extend(len);
        }
    }
    stream.extend(payload);
}

/// What RFC 6455 section 5 makes of what a server sends: the messages, how the connection ends, and
/// whether what there is of the last message is a text that cannot be one.
fn plain_reading(mut rest: &[u8]) -> (Vec<Message>, End, bool) {
    let (mut messages, limits) = (Vec::new(), limits());
    // Of a message that has not ended: whether it is text, its payload, its frames, its length.
    let mut open: Option<(bool, Vec<u8>, usize)> = None;
    loop {
        let Some((first, claimed, payload)) = header(rest) else {
            return (messages, End::Cut, false);
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 15);
        let Some(len) = claimed else {
            return (messages, End::Broken, false);
        };
        let available = &payload[..payload
            .len()
            .min(usize::try_from(len).unwrap_or(usize::MAX))];
        let is_whole = available.len() as u64 == len;
        if opcode >= 8 {
            if !is_whole {
                return (messages, End::Cut, false);
            }
            if opcode == 8 {
                return (messages, End::Closed(close_code(available)), false);
            }
            rest = &payload[available.len()..];
            continue;
        }
        let mut message = match (opcode, open.take()) {
            (0, Some(open)) => open,
            (1 | 2, None) => (opcode == 1, Vec::new(), 0),
            _ => return (messages, End::Broken, false),
        };
        message.2 += 1;
        let whole_len = len.saturating_add(message.1.len() as u64);
        if whole_len > limits.message_len_max as u64 || message.2 > limits.fragments_max {
            return (messages, End::TooLong, false);
        }
        message.1.extend_from_slice(available);
        let bad = message.0
            && match str::from_utf8(&message.1) {
                Ok(_) => false,
                Err(error) => error.error_len().is_some() || (fin && is_whole),
            };
        if !is_whole {
            return (messages, End::Cut, bad);
        }
        if bad {
            return (messages, End::Broken, false);
        }
        rest = &payload[available.len()..];
        if !fin {
            open = Some(message);
        } else if message.0 {
            messages.push(Message::Text(message.1));
        } else {
            messages.push(Message::Binary(message.1));
        }
    }
}

/// The first byte, the length of the payload, and what follows; no length where the header is one
/// that a server may not send.
fn header(bytes: &[u8]) -> Option<(u8, Option<u64>, &[u8])> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    let (opcode, short) = (first & 15, second & 127);
    let control = opcode >= 8;
    let broken = first & 0x70 != 0
        || second & 0x80 != 0
        || matches!(opcode, 3..=7 | 11..)
        || (control && (first & 0x80 == 0 || short > 125));
    if broken {
        return Some((*first, None, rest));
    }
    let (len, min, rest) = match short {
        126 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from(u16::from_be_bytes(*len)), 126, rest)
        }
        127 => {
            let (len, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*len), 65_536, rest)
        }
        short => (u64::from(short), 0, rest),
    };
    let good = len >= min && len >> 63 == 0;
    Some((*first, good.then_some(len), rest))
}

fn close_code(payload: &[u8]) -> Option<u16> {
    let (code, reason) = payload.split_first_chunk()?;
    let code = u16::from_be_bytes(*code);
    let known = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    (known && str::from_utf8(reason).is_ok()).then_some(code)
}
