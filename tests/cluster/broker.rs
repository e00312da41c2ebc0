//! A NATS server of its own for each test, and ways to it that can be cut.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp},
    runtime::Handle,
    task::AbortHandle,
    time::sleep,
};

/// Where Debian puts it, and then wherever it is.
const PROGRAMS: [&str; 2] = ["/usr/sbin/nats-server", "nats-server"];

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The server's program, if there is one.
pub(crate) fn program() -> Option<&'static str> {
    let works = |program: &&str| {
        let tried = Command::new(program).arg("--version").output();
        tried.is_ok_and(|output| output.status.success())
    };
    PROGRAMS.into_iter().find(|program| works(program))
}

/// A server with its store, which is removed in the end.
pub(crate) struct Broker {
    program: &'static str,
    options: &'static [&'static str],
    port: u16,
    store: PathBuf,
    child: Child,
}

impl Broker {
    pub(crate) fn start(program: &'static str) -> Self {
        Self::start_with(program, &["-js"])
    }

    pub(crate) fn without_jetstream(program: &'static str) -> Self {
        Self::start_with(program, &[])
    }

    fn start_with(program: &'static str, options: &'static [&'static str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shardstream-cluster-{}-{count}", std::process::id());
        let store = std::env::temp_dir().join(name);
        // Free just now; the server has no way to tell which port it took.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let child = spawn(program, options, port, &store);
        Self {
            program,
            options,
            port,
            store,
            child,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        super::process::cpu(self.child.id())
    }

    /// Kills it, without a chance to write anything down.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Starts it again on what it had stored.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.program, self.options, self.port, &self.store);
    }
}

fn spawn(program: &str, options: &[&str], port: u16, store: &Path) -> Child {
    let child = Command::new(program)
        .args(options)
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(store)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts");
    let begin = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begin.elapsed() < PATIENCE, "nats-server does not answer");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.store);
    }
}

/// A way to a port of this machine that can be cut: then nothing comes through, and nobody is told.
/// What is on its way meanwhile arrives when it is mended.
pub(crate) struct Way {
    pub(crate) url: String,
    is_cut: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Way {
    pub(crate) fn to(runtime: &Handle, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let here = listener.local_addr().expect("a port").port();
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        let task = runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, port, Arc::clone(&cut)));
            }
        });
        Self {
            url: format!("nats://127.0.0.1:{here}"),
            is_cut,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    pub(crate) fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, port: u16, is_cut: Arc<AtomicBool>) {
    open(&is_cut).await;
    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let back = Arc::clone(&is_cut);
    tokio::spawn(copy(far_in, near_out, back));
    copy(near_in, far_out, is_cut).await;
}

async fn open(is_cut: &AtomicBool) {
    while is_cut.load(Ordering::Acquire) {
        sleep(Duration::from_millis(10)).await;
    }
}

async fn copy(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, is_cut: Arc<AtomicBool>) {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let Ok(len) = from.read(&mut bytes).await else {
            return;
        };
        open(&is_cut).await;
        if len == 0 || to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
}
