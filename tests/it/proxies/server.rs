//! Proxies as they are deployed, as child processes on free ports.

use std::{
    io::Write as _,
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(super) const PASSWORD: &str = "CANARYpr0xy";

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// SOCKS5 by `danted`, without credentials: it would ask the system for them.
    Dante,
    /// SOCKS5 by `microsocks`, with credentials.
    Microsocks,
    /// CONNECT by `tinyproxy`, with credentials.
    Tinyproxy,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Dante, Kind::Microsocks, Kind::Tinyproxy];

impl Kind {
    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::Dante => "danted",
            Self::Microsocks => "microsocks",
            Self::Tinyproxy => "tinyproxy",
        }
    }

    pub(super) const fn asks_for_credentials(self) -> bool {
        matches!(self, Self::Microsocks | Self::Tinyproxy)
    }

    const fn scheme(self) -> &'static str {
        match self {
            Self::Dante | Self::Microsocks => "socks5h",
            Self::Tinyproxy => "http",
        }
    }

    /// Where Debian has put it.
    fn path(self) -> Option<PathBuf> {
        let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
        let mut paths = folders.map(|folder| PathBuf::from(folder).join(self.program()));
        let found = paths.iter_mut().find(|path| path.exists());
        found.map(std::mem::take)
    }

    fn config(self, port: u16) -> String {
        match self {
            Self::Dante => format!(
                "logoutput: stderr\ninternal: 127.0.0.1 port = {port}\nexternal: 127.0.0.1\n\
                 socksmethod: none\nclientmethod: none\nuser.privileged: {user}\n\
                 user.unprivileged: {user}\n\
                 client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}\n\
                 socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}\n",
                user = user()
            ),
            Self::Microsocks => String::new(),
            Self::Tinyproxy => format!(
                "Port {port}\nListen 127.0.0.1\nTimeout 600\nLogLevel Error\nMaxClients 100\n\
                 Allow 127.0.0.1\nBasicAuth bot {PASSWORD}\n"
            ),
        }
    }
}

/// Who runs this.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(output.stdout)
        .expect("a name")
        .trim()
        .to_owned()
}

/// A running proxy.
pub(super) struct Server {
    kind: Kind,
    path: PathBuf,
    port: u16,
    config: PathBuf,
    child: Child,
}

impl Server {
    /// `None` where the program is not installed.
    pub(super) async fn start(kind: Kind) -> Option<Self> {
        let path = kind.path()?;
        // Another process may take the port in between; then the next is tried.
        for _ in 0..10 {
            let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let port = free.local_addr().expect("bound").port();
            drop(free);
            let name = format!("shardstream-{}-{port}.conf", std::process::id());
            let config = std::env::temp_dir().join(name);
            let mut file = std::fs::File::create(&config).expect("a file");
            file.write_all(kind.config(port).as_bytes())
                .expect("written");
            let child = spawn(kind, &path, port, &config);
            let mut server = Self {
                kind,
                path: path.clone(),
                port,
                config,
                child,
            };
            if server.listens().await {
                return Some(server);
            }
        }
        panic!("{} does not start", kind.program());
    }

    /// Ends it, and with it all connections.
    pub(super) async fn stop(&mut self) {
        self.end();
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(20), "still listens");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn start_again(&mut self) {
        self.child = spawn(self.kind, &self.path, self.port, &self.config);
        assert!(self.listens().await, "{} starts again", self.kind.program());
    }

    /// With the credentials that it asks for.
    pub(super) fn url(&self) -> String {
        if self.kind.asks_for_credentials() {
            self.url_with(&format!("bot:{PASSWORD}"))
        } else {
            self.shown()
        }
    }

    pub(super) fn url_with(&self, credentials: &str) -> String {
        let (scheme, port) = (self.kind.scheme(), self.port);
        format!("{scheme}://{credentials}@127.0.0.1:{port}")
    }

    /// As errors name it.
    pub(super) fn shown(&self) -> String {
        format!("{}://127.0.0.1:{}", self.kind.scheme(), self.port)
    }

    /// Whether it comes to listen; not where it ended.
    async fn listens(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            if self.child.try_wait().expect("a child").is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    fn end(&mut self) {
        // Some serve each client in a process of its own: all of the group end.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        let _ = std::fs::remove_file(&self.config);
    }
}

fn spawn(kind: Kind, path: &PathBuf, port: u16, config: &PathBuf) -> Child {
    use std::os::unix::process::CommandExt as _;

    let mut command = Command::new(path);
    match kind {
        Kind::Dante => command.arg("-f").arg(config),
        Kind::Microsocks => {
            let port = port.to_string();
            command.args(["-i", "127.0.0.1", "-p", &port, "-u", "bot", "-P", PASSWORD])
        }
        Kind::Tinyproxy => command.arg("-d").arg("-c").arg(config),
    };
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    let child = command.stderr(Stdio::null()).process_group(0).spawn();
    child.unwrap_or_else(|error| panic!("{} does not start: {error}", kind.program()))
}
