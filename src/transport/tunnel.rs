//! How is a proxy asked for a way? CONNECT by HTTP/1.1, or SOCKS5.
//!
//! What a proxy answers is bounded like a server's answer to an upgrade, and never repeated but for
//! its status.

use std::{fmt, io, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use httparse::{EMPTY_HEADER, Response};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_socks::{Error as Socks, TargetAddr, tcp::Socks5Stream};
use zeroize::Zeroizing;

use super::{
    proxy::{Credentials, Route, Scheme, authority},
    upgrade::{self, USER_AGENT},
};
use crate::{limits::Limits, platform::GatewayUrl};

/// Why a proxy gives no way. Nothing of its answer is repeated but its status.
#[derive(Debug)]
pub(super) enum Why {
    /// It asks for credentials, and has none of ours.
    CredentialsMissing,
    /// It does not take ours.
    CredentialsRefused,
    Early,
    Io(io::Error),
    NotHttp,
    NotSocks,
    /// What SOCKS5 has a number for, in words of the library's own.
    Reply(Socks),
    Status(u16),
    TooLong,
    TooManyHeaders,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CredentialsMissing => "it asks for user and password, and none are set",
            Self::CredentialsRefused => "it refuses user and password",
            Self::Early => "it sent more than an answer; is it a web server?",
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                "it hung up before its answer was complete"
            }
            Self::Io(error) => return error.fmt(f),
            Self::NotHttp => "its answer is not HTTP; is it a SOCKS proxy?",
            Self::NotSocks => "its answer is not SOCKS5; is it an HTTP proxy?",
            Self::Reply(reply) => return write!(f, "it refused: {reply}"),
            Self::Status(status) => return write!(f, "it refused: HTTP status {status}"),
            Self::TooLong => "its answer is too long",
            Self::TooManyHeaders => "its answer has too many headers",
        })
    }
}

impl std::error::Error for Why {}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Asks the proxy at the other end of `io` for a way to the target. After that `io` is the way, and
/// nothing was read beyond the proxy's answer.
pub(super) async fn open<T: AsyncRead + AsyncWrite + Unpin>(
    io: &mut T,
    route: &Route,
    target: &GatewayUrl,
    limits: &Limits,
) -> Result<(), Why> {
    match route.scheme {
        Scheme::Http | Scheme::Https => connect(io, route, target, limits).await,
        Scheme::Socks5 => socks(io, route.credentials.as_ref(), target).await,
    }
}

async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
    io: &mut T,
    route: &Route,
    target: &GatewayUrl,
    limits: &Limits,
) -> Result<(), Why> {
    let asked = request(target, route.credentials.as_ref());
    io.write_all(asked.as_bytes()).await?;
    io.flush().await?;
    let (head, early) = match upgrade::read_head(io, limits).await {
        Ok(answer) => answer,
        Err(refused) => {
            return Err(match refused.why {
                upgrade::Why::Io(error) => Why::Io(error),
                upgrade::Why::TooLong => Why::TooLong,
                _ => Why::NotHttp,
            });
        }
    };
    let mut headers = vec![EMPTY_HEADER; limits.upgrade_headers_max];
    let mut answer = Response::new(&mut headers);
    match answer.parse(&head) {
        Ok(status) if status.is_complete() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Why::TooManyHeaders),
        Ok(_) | Err(_) => return Err(Why::NotHttp),
    }
    match answer.code {
        // RFC 9110 section 9.3.6: any 2xx, and its headers say nothing about what follows. Who is
        // at the other end waits for us to speak first, so nothing can have followed yet.
        Some(200..=299) if early.is_empty() => Ok(()),
        Some(200..=299) => Err(Why::Early),
        // tinyproxy 1.11 says 401 where it does not take what it was given.
        Some(401 | 407) if route.credentials.is_none() => Err(Why::CredentialsMissing),
        Some(401 | 407) => Err(Why::CredentialsRefused),
        Some(status) => Err(Why::Status(status)),
        None => Err(Why::NotHttp),
    }
}

fn request(target: &GatewayUrl, credentials: Option<&Credentials>) -> Zeroizing<String> {
    let place = authority(target.host(), target.port());
    let mut asked = Zeroizing::new(format!(
        "CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: {USER_AGENT}\r\n"
    ));
    if let Some(Credentials { user, password }) = credentials {
        // RFC 7617 section 2.
        let pair = Zeroizing::new(format!("{}:{}", user.expose(), password.expose()));
        let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        asked.push_str("Proxy-Authorization: Basic ");
        asked.push_str(&pair);
        asked.push_str("\r\n");
    }
    asked.push_str("\r\n");
    asked
}

async fn socks<T: AsyncRead + AsyncWrite + Unpin>(
    io: &mut T,
    credentials: Option<&Credentials>,
    target: &GatewayUrl,
) -> Result<(), Why> {
    let (host, port) = (target.host(), target.port());
    let place = match host.parse::<IpAddr>() {
        Ok(address) => TargetAddr::Ip((address, port).into()),
        Err(_) => TargetAddr::Domain(host.into(), port),
    };
    let asked = match credentials {
        None => Socks5Stream::connect_with_socket(io, place).await,
        Some(Credentials { user, password }) => {
            let (user, password) = (user.expose(), password.expose());
            Socks5Stream::connect_with_password_and_socket(io, place, user, password).await
        }
    };
    match asked {
        Ok(_) => Ok(()),
        Err(Socks::Io(error)) => Err(Why::Io(error)),
        Err(Socks::AuthorizationRequired | Socks::NoAcceptableAuthMethods) => {
            Err(match credentials {
                None => Why::CredentialsMissing,
                Some(_) => Why::CredentialsRefused,
            })
        }
        Err(Socks::PasswordAuthFailure(_)) => Err(Why::CredentialsRefused),
        Err(
            Socks::InvalidResponseVersion
            | Socks::InvalidReservedByte
            | Socks::InvalidTargetAddress(_)
            | Socks::UnknownAddressType
            | Socks::UnknownAuthMethod,
        ) => Err(Why::NotSocks),
        Err(reply) => Err(Why::Reply(reply)),
    }
}

#[cfg(test)]
mod tests;
