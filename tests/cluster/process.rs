//! Nodes and workers as processes of their own: this same program, with nothing but one of them.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _, stdin, stdout},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use shardstream::{
    Compression, Config, Intents,
    cluster::{Delivery, Node, Worker},
    discord::Discord,
};
use tokio::sync::oneshot;

use super::{LEASE, SHARDS, throughput};

/// What a process is told by its environment.
const BROKER: &str = "SHARDSTREAM_CLUSTER_BROKER";
pub(crate) const GATEWAY: &str = "SHARDSTREAM_CLUSTER_GATEWAY";
const REST: &str = "SHARDSTREAM_CLUSTER_REST";

/// What the bot is called.
pub(crate) const BOT: &str = "test-bot";

/// An event that a worker has handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Handled {
    pub(crate) at_us: u64,
    pub(crate) shard: u32,
    pub(crate) number: u64,
}

/// What all workers have handled.
pub(crate) type Book = Arc<Mutex<Vec<Handled>>>;

/// A process. Dropped, it is killed.
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    pub(crate) fn node(name: &str, broker: &str, gateway: (&str, &str)) -> Self {
        Self::start(name, "the_node_process", broker, gateway, None, &[])
    }

    pub(crate) fn worker(name: &str, broker: &str, book: &Book) -> Self {
        Self::start(
            name,
            "the_worker_process",
            broker,
            ("", ""),
            Some(book),
            &[],
        )
    }

    /// The processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.child.id())
    }

    pub(crate) fn start(
        name: &str,
        test: &str,
        broker: &str,
        (gateway, rest): (&str, &str),
        book: Option<&Book>,
        more: &[(&str, String)],
    ) -> Self {
        let mut child = Command::new(env::current_exe().expect("a program"))
            .args([
                test,
                "--exact",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(BROKER, broker)
            .env(GATEWAY, gateway)
            .env(REST, rest)
            .envs(more.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let book = book.map(Arc::clone);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let (Some(book), Some(handled)) = (&book, parse(&line)) {
                    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
                    book.push(handled);
                }
            }
        });
        let mut errors = child.stderr.take().expect("piped");
        let errors = thread::spawn(move || {
            let mut written = String::new();
            let _ = errors.read_to_string(&mut written);
            written
        });
        Self {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            child,
            errors: Some(errors),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to leave, and waits until it has.
    pub(crate) fn leave(&mut self) {
        drop(self.stdin.take());
        let status = self.child.wait().expect("it ends");
        let errors = self.errors();
        assert!(status.success(), "{}: {errors}", self.name);
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let killed = Command::new("kill")
            .args([&format!("-{signal}"), &self.child.id().to_string()])
            .status();
        assert!(killed.expect("kill runs").success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote to its standard error; it has ended.
    pub(crate) fn errors(&mut self) -> String {
        let thread = self.errors.take();
        thread.map_or_else(String::new, |thread| thread.join().unwrap_or_default())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let errors = self.errors();
            eprintln!("--- {}\n{errors}", self.name);
        }
    }
}

/// The processor time that a process has used, in steps of 10 ms.
pub(crate) fn cpu(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything: the 12th and 13th fields from there.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// `handled AT SHARD NUMBER`, behind whatever the harness has put before it.
fn parse(line: &str) -> Option<Handled> {
    let (_, rest) = line.split_once("handled ")?;
    let mut words = rest.split(' ').map(str::parse::<u64>);
    let mut next = || words.next()?.ok();
    Some(Handled {
        at_us: next()?,
        shard: u32::try_from(next()?).ok()?,
        number: next()?,
    })
}

/// Done when the standard input ends.
pub(crate) async fn asked_to_leave() {
    let (sender, ended) = oneshot::channel::<()>();
    thread::spawn(move || {
        let _ = stdin().lock().read_to_end(&mut Vec::new());
        drop(sender);
    });
    let _ = ended.await;
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let filter = env::var("RUST_LOG").unwrap_or_else(|_| "warn,shardstream=info".to_owned());
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false);
    logs.with_writer(std::io::stderr).init();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

pub(crate) fn told(name: &str) -> Option<String> {
    env::var(name).ok().or_else(|| {
        println!("{name} is not set: nothing to do");
        None
    })
}

pub(crate) fn run_node() {
    let (Some(broker), Some(gateway), Some(rest)) = (told(BROKER), told(GATEWAY), told(REST))
    else {
        return;
    };
    let config = Config::builder("its.token", Intents::GUILDS)
        .gateway_url(gateway)
        .rest_url(rest)
        .compression(Compression::None)
        .build()
        .expect("a configuration");
    runtime().block_on(async {
        let about = config.rest_client().gateway_bot().await.expect("a gateway");
        let node = Node::builder(config, BOT)
            .url(broker)
            .shards(SHARDS)
            .session_start_limit(&about.session_start_limit)
            .lease(LEASE)
            .connect()
            .await
            .expect("a NATS server");
        node.run_until(asked_to_leave())
            .await
            .expect("the node runs");
    });
}

pub(crate) fn run_worker() {
    let Some(broker) = told(BROKER) else {
        return;
    };
    runtime().block_on(async {
        let worker = Worker::<Discord>::builder(BOT)
            .url(broker)
            .lease(LEASE)
            .connect()
            .await
            .expect("a NATS server");
        let counter = throughput::Counter::new();
        let handle = move |delivery: Delivery<Discord>| {
            handle(&delivery);
            counter.count();
            async {}
        };
        worker
            .run_until(handle, asked_to_leave())
            .await
            .expect("the worker runs");
    });
}

fn handle(delivery: &Delivery<Discord>) {
    let event = delivery.event().expect("an event");
    let shardstream::discord::Event::Unknown(unknown) = event else {
        return;
    };
    let number = unknown
        .data
        .trim_start_matches("{\"n\":")
        .trim_end_matches('}');
    let at = SystemTime::now().duration_since(UNIX_EPOCH);
    let at_us = at.as_ref().map_or(0, Duration::as_micros);
    let mut out = stdout().lock();
    writeln!(
        out,
        "\nhandled {at_us} {} {number}",
        delivery.shard().number()
    )
    .expect("a reader");
    out.flush().expect("a reader");
}
