//! What comes before the WebSocket: the upgrade, and what clients ask by HTTP.

use std::io::{self, Read, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use trace::{encode::Compression, traces::BOT_ID};

pub struct Request {
    target: String,
    key: Option<String>,
}

impl Request {
    /// Reads a head; what comes behind it is the body of none of the requests there are.
    pub fn read(stream: &mut impl Read) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut part = [0; 2048];
        let head = loop {
            let len = stream.read(&mut part)?;
            bytes.extend_from_slice(&part[..len]);
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8_lossy(&bytes[..end]).into_owned();
            }
            if len == 0 || bytes.len() > 16 << 10 {
                return Err(io::ErrorKind::InvalidData.into());
            }
        };
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let key = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_key = name.eq_ignore_ascii_case("sec-websocket-key");
            is_key.then(|| value.trim().to_owned())
        });
        Ok(Self { target, key })
    }

    pub fn compression(&self) -> Compression {
        if self.target.contains("compress=zlib-stream") {
            Compression::Zlib
        } else if self.target.contains("compress=zstd-stream") {
            Compression::Zstd
        } else {
            Compression::None
        }
    }

    /// Switches to WebSocket, or answers; whether it switched.
    pub fn answer(&self, port: u16, out: &mut impl Write) -> io::Result<bool> {
        let Some(key) = &self.key else {
            out.write_all(self.resource(port).as_bytes())?;
            return Ok(false);
        };
        let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = STANDARD.encode(sha1_smol::Sha1::from(text).digest().bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        out.write_all(answer.as_bytes())?;
        Ok(true)
    }

    fn resource(&self, port: u16) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let ending = |end: &str| path.ends_with(end);
        let bot = format!(
            concat!(
                r#""id":"{}","username":"harbourmaster","discriminator":"0001","#,
                r#""global_name":null,"avatar":null,"bot":true"#
            ),
            BOT_ID,
        );
        let body = if ending("/gateway/bot") || ending("/gateway") {
            format!(
                concat!(
                    r#"{{"url":"ws://127.0.0.1:{}","shards":1,"session_start_limit":{{"#,
                    r#""total":1000,"remaining":1000,"reset_after":86400000,"#,
                    r#""max_concurrency":16}}}}"#
                ),
                port,
            )
        } else if ending("/users/@me") {
            format!(r#"{{{bot},"mfa_enabled":true,"verified":true,"email":null,"flags":0}}"#)
        } else if ending("/applications/@me") {
            format!(
                concat!(
                    r#"{{"id":"{}","name":"harbour","icon":null,"description":"","summary":"","#,
                    r#""bot_public":true,"bot_require_code_grant":false,"verify_key":"00","#,
                    r#""flags":11051008,"team":null,"hook":true,"owner":{{{}}}}}"#
                ),
                BOT_ID, bot,
            )
        } else {
            "[]".to_owned()
        };
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}
