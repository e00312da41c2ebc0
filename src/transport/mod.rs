//! Where is the socket? Dial, TLS, upgrade, WebSocket: the only room with one.
//! Imports the pure rooms' words (`error`, `limits`, `platform`, `secret`); knows no session.
//!
//! | file | question |
//! |---|---|
//! | `dial` | Which address answers? |
//! | `proxy`, `tunnel` | Through whom does a connection go, and how is a proxy asked for a way? |
//! | `tls` | Whom do we trust? |
//! | `io` | What carries the bytes? |
//! | `upgrade`, `retry_after` | How does HTTP become WebSocket, and when may we ask again? |
//! | `frames`, `gate`, `utf8` | Where does a frame end, and what may pass? |
//! | `websocket` | How are messages framed? |
//! | `http` | How is a platform's REST API asked? |

#[cfg(test)]
mod autobahn;
mod dial;
mod frames;
mod gate;
pub(crate) mod http;
mod io;
mod proxy;
pub(crate) mod retry_after;
mod tls;
mod tunnel;
mod upgrade;
mod utf8;
mod websocket;

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::timeout;

pub use self::{dial::Dial, io::Duplex, proxy::Proxy, tls::Tls};
use self::{
    dial::Lookups,
    io::Carrier,
    proxy::{Route, Scheme},
    tls::Trust,
};
pub(crate) use self::{
    io::Io,
    upgrade::{USER_AGENT, host_header},
    websocket::{Read, Socket},
};
use crate::{
    error::{Error, ErrorKind, Escaped},
    limits::Limits,
    platform::GatewayUrl,
};

/// Opens connections: knows TLS, limits, the User-Agent.
///
/// Clones share the TLS configuration and the name lookups under way: make one for all shards of
/// a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
    proxy: Proxy,
    limits: Arc<Limits>,
}

#[derive(Debug)]
struct Shared {
    trust: Trust,
    dialler: Option<Arc<dyn Dial>>,
    lookups: Lookups,
}

/// An attempt to connect that failed.
#[derive(Debug)]
pub(crate) struct ConnectError {
    /// The HTTP status of an answer that was no upgrade.
    pub(crate) status: Option<u16>,
    /// Its `Retry-After`, as long as the server said.
    pub(crate) retry_after: Option<Duration>,
    /// For the user: names the host and the step (name lookup, connect, TLS, upgrade), no secret.
    /// Where it is fatal (no certificates are built in), no further attempt can succeed.
    pub(crate) error: Error,
}

/// What an attempt to connect is at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Step {
    Lookup,
    Connect,
    ProxyTls,
    Tunnel,
    Tls,
    Upgrade,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup => "name lookup",
            Self::Connect => "connect",
            Self::ProxyTls => "TLS handshake with the proxy",
            Self::Tunnel => "proxy handshake",
            Self::Tls => "TLS handshake",
            Self::Upgrade => "WebSocket upgrade",
        })
    }
}

/// An attempt to connect: where to, through whom, and what it is at.
#[derive(Debug)]
struct Attempt<'a> {
    url: &'a GatewayUrl,
    via: Option<&'a Route>,
    step: Step,
}

impl<'a> Attempt<'a> {
    const fn new(url: &'a GatewayUrl) -> Self {
        Self {
            url,
            via: None,
            step: Step::Lookup,
        }
    }

    /// Names the host, the proxy, the step and the cause.
    fn failed(&self, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        // A server writes parts of it, such as the names in its certificate.
        let text = Escaped(cause.to_string());
        let (host, port, step) = (self.url.host(), self.url.port(), self.step);
        let (via, kind) = match self.via {
            None => (String::new(), ErrorKind::Connect),
            Some(proxy) if step <= Step::Tunnel => (through(proxy), ErrorKind::Proxy),
            Some(proxy) => (through(proxy), ErrorKind::Connect),
        };
        let message = format!("no connection to {host} port {port}{via}: {step}: {text}");
        Error::new(kind, message).with_source(cause)
    }
}

fn through(proxy: &Route) -> String {
    format!(" through the proxy {proxy}")
}

impl Connector {
    /// A connector that dials by itself, or by `dialler`. Opens nothing yet.
    ///
    /// Who brings a dialler has chosen the way already: then the environment's proxy is not used.
    pub(crate) fn new(
        tls: Tls,
        dialler: Option<Arc<dyn Dial>>,
        limits: impl Into<Arc<Limits>>,
    ) -> Self {
        let proxy = match &dialler {
            None => Proxy::environment(),
            Some(_) => Proxy::none(),
        };
        Self {
            proxy,
            shared: Arc::new(Shared {
                trust: Trust::new(tls),
                dialler,
                lookups: Lookups::default(),
            }),
            limits: limits.into(),
        }
    }

    /// The same, but by the proxy that was set, where one was.
    pub(crate) fn through(mut self, proxy: Option<Proxy>) -> Self {
        if let Some(proxy) = proxy {
            self.proxy = proxy;
        }
        self
    }

    /// ` through the proxy`, and which, where that is the way to a gateway.
    pub(crate) fn way(&self, url: &GatewayUrl) -> String {
        let route = self.proxy.route(url).ok().flatten();
        route.map(through).unwrap_or_default()
    }

    /// Dials, speaks TLS where the url says so, and upgrades to WebSocket, with the platform's
    /// `query` (such as `?v=10&encoding=json`). Bounded by the limits at each step, and by
    /// [`Limits::connect`] in all. Dropping the future closes whatever was opened.
    pub(crate) async fn connect(
        &self,
        url: &GatewayUrl,
        query: &str,
    ) -> Result<Socket, ConnectError> {
        let mut attempt = Attempt::new(url);
        let whole = async {
            let mut io = self.open(&mut attempt).await?;
            attempt.step = Step::Upgrade;
            match upgrade::upgrade(&mut io, url, query, &self.limits).await {
                Ok(early) => Ok(Socket::new(io, early, &self.limits)),
                Err(refused) => Err(ConnectError {
                    status: refused.status,
                    retry_after: refused.retry_after,
                    error: attempt.failed(refused.why),
                }),
            }
        };
        match timeout(self.limits.connect, whole).await {
            Ok(result) => result,
            Err(elapsed) => Err(attempt.failed(elapsed).into()),
        }
    }

    pub(crate) const fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// Dials, asks the proxy for a way where there is one, and speaks TLS where the url says so.
    /// The upgrade or another protocol, and the deadline for all of it, are the caller's.
    async fn open<'a>(&'a self, attempt: &mut Attempt<'a>) -> Result<Io, Error> {
        let (url, limits) = (attempt.url, &self.limits);
        let proxy = self.proxy.route(url)?;
        attempt.via = proxy;
        let encrypted = proxy.is_some_and(|proxy| proxy.scheme == Scheme::Https);
        // First, so that nothing is dialled that cannot be used.
        let client = if url.is_tls() || encrypted {
            Some(self.shared.trust.client().await?)
        } else {
            None
        };
        let (host, port) = match proxy {
            Some(proxy) => (&*proxy.host, proxy.port),
            None => (url.host(), url.port()),
        };
        let mut carrier = self.dial(host, port, attempt).await?;
        if let Some(proxy) = proxy {
            let mut io = match &client {
                Some(client) if encrypted => {
                    attempt.step = Step::ProxyTls;
                    let io = client.clone().handshake(host, carrier).await;
                    io.map_err(|error| attempt.failed(error))?
                }
                _ => Io::Plain(carrier),
            };
            attempt.step = Step::Tunnel;
            let way = tunnel::open(&mut io, proxy, url, limits).await;
            way.map_err(|why| attempt.failed(why))?;
            carrier = match io {
                Io::Plain(carrier) => carrier,
                encrypted => Carrier::from(Box::new(encrypted) as Box<dyn Duplex>),
            };
        }
        let Some(client) = client.filter(|_| url.is_tls()) else {
            return Ok(Io::Plain(carrier));
        };
        attempt.step = Step::Tls;
        let io = client.handshake(url.host(), carrier).await;
        io.map_err(|error| attempt.failed(error))
    }

    /// A stream to a host, by name.
    async fn dial(
        &self,
        host: &str,
        port: u16,
        attempt: &mut Attempt<'_>,
    ) -> Result<Carrier, Error> {
        let limits = &self.limits;
        if let Some(dialler) = &self.shared.dialler {
            attempt.step = Step::Connect;
            let stream = dialler.dial(host, port, limits).await;
            return Ok(stream.map_err(|error| attempt.failed(error))?.into());
        }
        let addresses = self.shared.lookups.find(host, port, limits).await;
        let addresses = addresses.map_err(|error| attempt.failed(error))?;
        attempt.step = Step::Connect;
        let stream = dial::tcp(&addresses, limits).await;
        Ok(stream.map_err(|error| attempt.failed(error))?.into())
    }
}

impl From<Error> for ConnectError {
    fn from(error: Error) -> Self {
        Self {
            status: None,
            retry_after: None,
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io, sync::Arc, time::Duration};

    use base64::{Engine, engine::general_purpose::STANDARD};
    use futures::future::BoxFuture;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
    use tokio::{
        io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
        net::TcpListener,
        sync::mpsc,
        time::Instant,
    };
    use tokio_rustls::TlsAcceptor;

    use super::{ConnectError, Connector, Dial, Duplex, Read, Socket, Tls};
    use crate::{error::ErrorKind, limits::Limits, platform::GatewayUrl};

    /// Answers an upgrade, and sends a text in the same segment.
    pub(super) async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let request = String::from_utf8(request).unwrap();
        let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap();
        let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
        sha1.update(key.split('\r').next().unwrap().as_bytes());
        sha1.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let accept = STANDARD.encode(sha1.finish());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n\r\n\x01\x03hel"
        );
        let mut answer = answer.into_bytes();
        answer.extend_from_slice(b"\x80\x02lo");
        stream.write_all(&answer).await.unwrap();
        stream.flush().await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    }

    pub(super) async fn first_read(socket: &mut Socket) -> Read {
        poll_fn(|cx| socket.poll_read(cx)).await
    }

    async fn local() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    /// An authority's certificate as a client's configuration, and a server it vouches for.
    pub(super) fn authority(names: &[&str]) -> (Arc<ClientConfig>, TlsAcceptor) {
        let provider = || Arc::new(rustls::crypto::ring::default_provider());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("authority {}", fastrand::u64(..));
        params.distinguished_name.push(DnType::CommonName, name);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().copied().map(String::from).collect();
        let leaf = CertificateParams::new(names).unwrap();
        let leaf = leaf.signed_by(&key, &ca).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .unwrap();
        (Arc::new(client), TlsAcceptor::from(Arc::new(server)))
    }

    async fn connect_tls(tls: Tls, acceptor: TlsAcceptor) -> Result<Socket, ConnectError> {
        let (listener, port) = local().await;
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream).await;
            }
        });
        let url = GatewayUrl::configured(&format!("wss://localhost:{port}")).unwrap();
        Connector::new(tls, None, Limits::default())
            .connect(&url, "?v=10")
            .await
    }

    #[tokio::test]
    async fn a_socket_over_plain_tcp_reads_what_came_with_the_answer() {
        let (listener, port) = local().await;
        tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
        let url = GatewayUrl::configured(&format!("ws://localhost:{port}")).unwrap();
        let connector = Connector::new(Tls::Default, None, Limits::default());
        let mut socket = connector.connect(&url, "?v=10").await.unwrap();
        assert!(matches!(first_read(&mut socket).await, Read::Text(text) if text == "hello"));
        let (read, written) = socket.traffic();
        assert!(read > 100 && written > 100, "{read} {written}");
    }

    #[tokio::test]
    async fn a_custom_configuration_is_used_and_no_process_wide_provider() {
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
        let (client, acceptor) = authority(&["localhost"]);
        let mut socket = connect_tls(Tls::Custom(client), acceptor).await.unwrap();
        assert!(matches!(first_read(&mut socket).await, Read::Text(text) if text == "hello"));
        socket.send_text(b"over TLS");
        assert!(poll_fn(|cx| socket.poll_flush(cx)).await.is_ok());
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }

    /// F10.
    #[tokio::test]
    async fn tls_that_ends_without_a_goodbye_is_cut() {
        let (client, acceptor) = authority(&["localhost"]);
        let (listener, port) = local().await;
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            serve(acceptor.accept(stream).await.unwrap()).await;
        });
        let url = GatewayUrl::configured(&format!("wss://localhost:{port}")).unwrap();
        let connector = Connector::new(Tls::Custom(client), None, Limits::default());
        let mut socket = connector.connect(&url, "").await.unwrap();
        assert!(matches!(first_read(&mut socket).await, Read::Text(_)));
        server.abort();
        assert!(matches!(first_read(&mut socket).await, Read::Cut(_)));
    }

    #[tokio::test]
    async fn certificates_that_are_not_trusted_are_refused_with_the_cause() {
        let (client, _) = authority(&["localhost"]);
        let (_, stranger) = authority(&["localhost"]);
        let refused = connect_tls(Tls::Custom(client), stranger)
            .await
            .unwrap_err();
        let shown = refused.error.to_string();
        assert!(
            shown.contains("TLS handshake: invalid peer certificate: UnknownIssuer"),
            "{shown}"
        );
        assert!(std::error::Error::source(&refused.error).is_some());
        assert_eq!(refused.error.kind(), ErrorKind::Connect);
        assert_eq!(refused.status, None);

        let (client, acceptor) = authority(&["other.example"]);
        let refused = connect_tls(Tls::Custom(client), acceptor)
            .await
            .unwrap_err();
        assert!(
            refused.error.to_string().contains("not valid for name"),
            "{}",
            refused.error
        );
    }

    #[cfg(feature = "rustls-native-roots")]
    #[tokio::test]
    async fn a_private_authority_is_not_trusted_by_default() {
        let (_, acceptor) = authority(&["localhost"]);
        let refused = connect_tls(Tls::Default, acceptor).await.unwrap_err();
        // A machine without certificates says so.
        let shown = refused.error.to_string();
        assert!(
            shown.contains("UnknownIssuer") || shown.contains("rustls-webpki-roots"),
            "{shown}"
        );
    }

    #[cfg(not(any(
        feature = "rustls-native-roots",
        feature = "rustls-webpki-roots",
        feature = "rustls-platform-verifier",
        feature = "native",
    )))]
    #[tokio::test]
    async fn without_certificates_the_error_is_fatal_and_names_the_features() {
        let (_, acceptor) = authority(&["localhost"]);
        let refused = connect_tls(Tls::Default, acceptor).await.unwrap_err();
        assert!(refused.error.is_fatal());
        assert!(refused.error.to_string().contains("rustls-webpki-roots"));
    }

    #[tokio::test]
    async fn a_server_without_tls_is_a_failed_handshake_and_never_a_plain_connection() {
        let (listener, port) = local().await;
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 101 \r\n\r\n").await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let url = GatewayUrl::configured(&format!("wss://127.0.0.1:{port}")).unwrap();
        let (client, _) = authority(&["localhost"]);
        let connector = Connector::new(Tls::Custom(client), None, Limits::default());
        let refused = connector.connect(&url, "").await.unwrap_err();
        assert!(
            refused.error.to_string().contains(": TLS handshake: "),
            "{}",
            refused.error
        );
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_a_refused_connect() {
        let (listener, port) = local().await;
        drop(listener);
        let url = GatewayUrl::configured(&format!("ws://127.0.0.1:{port}")).unwrap();
        let connector = Connector::new(Tls::Default, None, Limits::default());
        let refused = connector.connect(&url, "").await.unwrap_err();
        let expected = format!("no connection to 127.0.0.1 port {port}: connect: ");
        assert!(
            refused.error.to_string().starts_with(&expected),
            "{}",
            refused.error
        );
    }

    /// Hands out pipes.
    #[derive(Debug)]
    pub(super) struct Pipes(pub(super) mpsc::UnboundedSender<(String, u16, DuplexStream)>);

    impl Dial for Pipes {
        fn dial(
            &self,
            host: &str,
            port: u16,
            _: &Limits,
        ) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
            let (client, server) = duplex(1 << 20);
            let sent = self.0.send((host.to_owned(), port, server));
            Box::pin(async move {
                sent.map_err(io::Error::other)?;
                Ok(Box::new(client) as Box<dyn Duplex>)
            })
        }
    }

    #[tokio::test]
    async fn tls_goes_through_a_diallers_own_stream() {
        let (client, acceptor) = authority(&["gateway.example"]);
        let (pipes, mut dialled) = mpsc::unbounded_channel();
        let pipes: Arc<dyn Dial> = Arc::new(Pipes(pipes));
        let connector = Connector::new(Tls::Custom(client), Some(pipes), Limits::default());
        tokio::spawn(async move {
            let (host, port, stream) = dialled.recv().await.unwrap();
            assert_eq!((host.as_str(), port), ("gateway.example", 443));
            serve(acceptor.accept(stream).await.unwrap()).await;
        });
        let url = GatewayUrl::configured("wss://gateway.example").unwrap();
        let mut socket = connector.connect(&url, "").await.unwrap();
        assert!(matches!(first_read(&mut socket).await, Read::Text(text) if text == "hello"));
    }

    /// F07, F18: silence and one byte a second end at ten seconds, and the error says where.
    #[tokio::test(start_paused = true)]
    async fn every_step_ends_at_the_deadline() {
        for (url, dribble, step) in [
            ("wss://gateway.example", false, "TLS handshake"),
            ("ws://localhost", false, "WebSocket upgrade"),
            ("ws://localhost", true, "WebSocket upgrade"),
        ] {
            let (client, _) = authority(&["gateway.example"]);
            let (pipes, mut dialled) = mpsc::unbounded_channel();
            let pipes: Arc<dyn Dial> = Arc::new(Pipes(pipes));
            let connector = Connector::new(Tls::Custom(client), Some(pipes), Limits::default());
            tokio::spawn(async move {
                let (_, _, mut stream) = dialled.recv().await.unwrap();
                while dribble && stream.write_all(b"H").await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
            let start = Instant::now();
            let url = GatewayUrl::configured(url).unwrap();
            let refused = connector.connect(&url, "").await.unwrap_err();
            assert_eq!(start.elapsed(), Limits::default().connect);
            assert!(
                refused.error.to_string().contains(step),
                "{}",
                refused.error
            );
        }
    }

    #[tokio::test]
    async fn a_refused_upgrade_gives_status_and_delay() {
        let (pipes, mut dialled) = mpsc::unbounded_channel();
        let connector = Connector::new(
            Tls::Default,
            Some(Arc::new(Pipes(pipes))),
            Limits::default(),
        );
        tokio::spawn(async move {
            let (_, _, mut stream) = dialled.recv().await.unwrap();
            let answer = b"HTTP/1.1 503 CANARY\r\nRetry-After: 5\r\n\r\nCANARY";
            stream.write_all(answer).await.unwrap();
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let url = GatewayUrl::configured("ws://localhost").unwrap();
        let refused = connector.connect(&url, "").await.unwrap_err();
        assert_eq!(refused.status, Some(503));
        assert_eq!(refused.retry_after, Some(Duration::from_secs(5)));
        assert!(!format!("{refused:?} {}", refused.error).contains("CANARY"));
    }
}
