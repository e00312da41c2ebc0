//! What is lost by giving the buffers back? Nothing, whenever it is tried.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    task::unconstrained,
};

use super::{BINARY, CLOSE, PING, Read, Socket, TEXT, flush, frame, pair, read};

/// Everything that the socket gives without waiting, and then it is asked to rest.
fn drain(socket: &mut Socket) -> Vec<Read> {
    let mut reads = Vec::new();
    // In one turn of the test's task the pipes give only so much.
    while let Some(read) = unconstrained(read(socket)).now_or_never() {
        let over = !matches!(read, Read::Text(_) | Read::Binary(_));
        reads.push(read);
        if over {
            return reads;
        }
    }
    socket.rest();
    reads
}

/// Goal: the same messages, answers and end, wherever the stream stands still for a while. Method:
/// a stream with all that there is in it, cut at each byte, with a rest on both sides.
#[tokio::test]
async fn a_rest_anywhere_changes_nothing() {
    let long = vec![b'x'; 9_000];
    let stream = [
        frame(TEXT, "caf\u{e9}".as_bytes()),
        frame(PING, b"ping"),
        frame(0x01, b"in "),
        frame(PING, b""),
        frame(0x80, b"parts"),
        frame(BINARY, &long),
        frame(TEXT, b""),
        frame(CLOSE, b"\x0f\xa4over"),
    ]
    .concat();
    let expected = "[Text(5 bytes), Text(8 bytes), Binary(9000 bytes), Text(0 bytes), \
        Closed(Some(4004), \"over\")]";
    let cuts =
        (0..=stream.len()).filter(|cut| *cut < 60 || *cut % 97 == 0 || stream.len() - *cut < 20);
    let (mut rested, mut awake) = (0, 0);
    for cut in cuts {
        let (mut socket, mut server) = pair(1 << 20);
        let mut reads = drain(&mut socket);
        assert!(!socket.is_roused(), "nothing has come");
        server.write_all(&stream[..cut]).await.unwrap();
        reads.extend(drain(&mut socket));
        if socket.is_roused() {
            awake += 1;
        } else {
            rested += 1;
        }
        server.write_all(&stream[cut..]).await.unwrap();
        if cut < stream.len() {
            reads.extend(drain(&mut socket));
        }
        assert_eq!(format!("{reads:?}"), expected, "cut at {cut}");
        let _ = flush(&mut socket).await;
        let mut sent = [0; 10 + 6 + 8];
        server.read_exact(&mut sent).await.unwrap();
        let opcodes = [sent[0], sent[10], sent[16]];
        assert_eq!(opcodes, [0x8A, 0x8A, CLOSE], "cut at {cut}");
    }
    assert!(rested > 5 && awake > 50, "{rested} {awake}");
}

#[tokio::test]
async fn a_resting_socket_sends_and_hears_the_answer() {
    let (mut socket, mut server) = pair(1 << 10);
    for n in 0..3 {
        assert!(drain(&mut socket).is_empty());
        assert!(!socket.is_roused() && socket.can_send());
        socket.send_text(b"beat");
        socket.rest();
        assert!(socket.is_roused(), "what is not written is not given up");
        flush(&mut socket).await.unwrap();
        let mut sent = [0; 2 + 4 + 4];
        server.read_exact(&mut sent).await.unwrap();
        assert_eq!(sent[0], TEXT, "{n}");
        server.write_all(&frame(TEXT, b"ack")).await.unwrap();
        let reads = drain(&mut socket);
        assert!(
            matches!(&reads[..], [Read::Text(text)] if text == "ack"),
            "{n}"
        );
    }
}

#[tokio::test]
async fn a_resting_socket_tells_its_end_once() {
    let (mut socket, server) = pair(1 << 10);
    assert!(drain(&mut socket).is_empty() && !socket.is_roused());
    drop(server);
    assert_eq!(
        format!("{:?}", drain(&mut socket)),
        "[Cut(unexpected end of file)]"
    );

    let (mut socket, mut server) = pair(1 << 10);
    assert!(drain(&mut socket).is_empty());
    server.write_all(&frame(TEXT, b"last")).await.unwrap();
    drop(server);
    let reads = format!("{:?}", drain(&mut socket));
    assert_eq!(reads, "[Text(4 bytes), Cut(unexpected end of file)]");

    let mut socket = super::socket(Reset(0));
    assert!(drain(&mut socket).is_empty());
    let reads = format!("{:?}", drain(&mut socket));
    assert_eq!(
        reads, "[Cut(connection reset)]",
        "an error is heard by who woke for it"
    );
}

/// A stream that has nothing the first time, and then a reset, told once.
#[derive(Debug)]
struct Reset(u32);

impl AsyncRead for Reset {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0 += 1;
        match self.0 {
            1 => Poll::Pending,
            2 => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Reset {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
