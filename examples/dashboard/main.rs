//! All shards of a bot at a glance, in a terminal.
//!
//! `cargo run --example dashboard` watches 64 shards on a gateway in this very process, where
//! connections are cut, closed and left without acks all the time. With `DISCORD_TOKEN` set it
//! connects to Discord. `--shards N` starts as many (default there: what Discord recommends), `q`
//! quits, and `--seconds N` ends by itself. Where its output is no terminal it prints one picture,
//! at its end or, without `--seconds`, as soon as all shards are served.
//!
//! | file | question |
//! |---|---|
//! | `draw` | How does it look? |
//! | `model` | What is known of the shards? |
//! | `weather` | What comes from a gateway in this very process? |

mod draw;
mod model;
mod weather;

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    io::{self, IsTerminal as _},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use ratatui::{
    DefaultTerminal, Terminal,
    backend::TestBackend,
    crossterm::event::{self, KeyCode, KeyModifiers},
};
use shardstream::{
    Config, Degraded, EventFlags, Health, Intents, Limits, Shutdown,
    discord::{Discord, Event},
    queue::LocalQueue,
    rest,
    stream::{self, ShardEventStream},
};

use self::model::{Budget, Model};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Shards on the gateway in this process.
const SHARDS: u32 = 64;
const FRAME: Duration = Duration::from_millis(100);

/// What the command line says.
#[derive(Default)]
struct Args {
    shards: Option<u32>,
    seconds: Option<u64>,
}

fn args() -> Result<Args> {
    use lexopt::{Arg, ValueExt as _};

    let mut args = Args::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("shards") => args.shards = Some(parser.value()?.parse()?),
            Arg::Long("seconds") => args.seconds = Some(parser.value()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(args)
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = args()?;
    if let Ok(token) = env::var("DISCORD_TOKEN") {
        let client = rest::Client::new(token.clone());
        let window = Limits::default().identify_window;
        let mut model = Model::default();
        "Discord".clone_into(&mut model.source);
        let stream = connect(&client, token, window, args.shards, &mut model).await?;
        return watch(stream, model, args.seconds).await;
    }
    let shards = args.shards.unwrap_or(SHARDS);
    let gateway = weather::gateway(shards).start().await?;
    let client = rest::Client::new("any token").base_url(gateway.rest_url());
    let mut model = Model::default();
    "a local gateway with faults".clone_into(&mut model.source);
    let window = weather::IDENTIFY_WINDOW;
    let stream = connect(&client, "any token".into(), window, None, &mut model).await?;
    tokio::select! {
        ended = watch(stream, model, args.seconds) => ended,
        () = weather::blow(&gateway, shards) => Ok(()),
    }
}

type Shards = ShardEventStream<shardstream::Shard<Discord>>;

/// As many shards as are wanted, or else as many as the platform recommends.
async fn connect(
    client: &rest::Client,
    token: String,
    window: Duration,
    shards: Option<u32>,
    model: &mut Model,
) -> Result<Shards> {
    let found = client.gateway_bot().await?;
    let starts = found.session_start_limit;
    let (total, left) = (starts.total.into(), starts.remaining.into());
    model.budget = Some(Budget {
        total,
        left_at_start: left,
        identified_in: None,
    });
    let concurrency = starts.max_concurrency.into();
    let queue = LocalQueue::with_limits(concurrency, total, left, starts.reset_after, window);
    // Events are counted by their names; nothing of them is decoded.
    let config = Config::builder(token, Intents::non_privileged())
        .event_flags(EventFlags::GATEWAY)
        .gateway_url(&found.url)
        .queue(Arc::new(queue))
        .build()?;
    let total = shards.unwrap_or(found.shards);
    let shards = stream::create_range(0..total, total, config, |_, builder| builder.build());
    Ok(ShardEventStream::new(shards))
}

/// Shows the shards until somebody has seen enough, or all of them have ended.
async fn watch(mut stream: Shards, mut model: Model, seconds: Option<u64>) -> Result<()> {
    let mut screen = Screen::new()?;
    let begin = Instant::now();
    let mut tick = tokio::time::interval(FRAME);
    let mut samples = 0;
    let shown = loop {
        tokio::select! {
            item = stream.next() => match item {
                Some((_, Ok(Event::Gateway(notice)))) => model.notice(&notice),
                Some((_, Ok(_))) => {}
                Some((_, Err(error))) => model.error(error.kind().name()),
                None => break Ok(()),
            },
            _ = tick.tick() => {
                model.elapsed = begin.elapsed();
                collect(&stream, &mut model);
                if model.elapsed.as_secs() >= samples {
                    samples = model.elapsed.as_secs() + 1;
                    model.sample(counted(&stream));
                }
                let over = match seconds {
                    Some(seconds) => model.elapsed.as_secs() >= seconds,
                    None => screen.is_text() && model.is_complete(),
                };
                match screen.show(&model) {
                    Ok(quit) if !quit && !over => {}
                    shown => break shown.map(|_| ()),
                }
            }
            _ = tokio::signal::ctrl_c() => break Ok(()),
        }
    };
    screen.leave();
    stream.shutdown(Shutdown::End).await;
    Ok(shown?)
}

/// How the shards are by now.
fn collect(stream: &Shards, model: &mut Model) {
    for shard in stream.handles() {
        let status = shard.status();
        let why = match status.health {
            Health::Degraded { why, .. } => Some(why),
            _ => None,
        };
        let slow = matches!(why, Some(Degraded::SlowConsumer | Degraded::Unpolled));
        let latency = status.latency.last();
        let state = (status.state, slow);
        model.shard(shard.id().number(), state, status.counters.acks, latency);
    }
    let progress = stream.progress();
    model.counters = progress.counters;
    if let Some(budget) = &mut model.budget {
        budget.identified_in = progress.identified_in;
    }
}

/// How often each event has come.
fn counted(stream: &Shards) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for shard in stream.handles() {
        for (name, count) in shard.event_counts().iter() {
            *sum.entry(name.to_owned()).or_default() += count;
        }
    }
    sum
}

/// Where it is drawn.
enum Screen {
    Terminal(DefaultTerminal),
    /// There is none: the last picture is printed.
    Text(Terminal<TestBackend>),
}

impl Screen {
    fn new() -> Result<Self> {
        if io::stdout().is_terminal() {
            return Ok(Self::Terminal(ratatui::try_init()?));
        }
        Ok(Self::Text(Terminal::new(TestBackend::new(110, 34))?))
    }

    const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Draws, and says whether the user wants to quit.
    fn show(&mut self, model: &Model) -> io::Result<bool> {
        match self {
            Self::Terminal(terminal) => {
                terminal.draw(|frame| draw::draw(frame, model))?;
                let mut quit = false;
                while event::poll(Duration::ZERO)? {
                    let pressed = event::read()?.as_key_press_event();
                    quit |= pressed.is_some_and(|key| match key.code {
                        KeyCode::Char('c') => key.modifiers == KeyModifiers::CONTROL,
                        code => code == KeyCode::Char('q'),
                    });
                }
                Ok(quit)
            }
            Self::Text(terminal) => {
                // A picture in memory cannot fail.
                let Ok(_) = terminal.draw(|frame| draw::draw(frame, model));
                Ok(false)
            }
        }
    }

    fn leave(self) {
        match self {
            Self::Terminal(_) => ratatui::restore(),
            Self::Text(terminal) => {
                let picture = terminal.backend().to_string();
                picture
                    .lines()
                    .for_each(|line| println!("{}", line.trim_matches('"')));
            }
        }
    }
}
