//! serenity as its documentation shows it for raw events: a client with a handler, and no cache.

use std::{
    error::Error,
    hint::black_box,
    sync::{Mutex, PoisonError},
};

use kit::{Args, Meter, Report};
use serenity::{
    all::{Context, Event, GatewayIntents, RawEventHandler},
    async_trait,
    http::HttpBuilder,
};
use tokio::sync::mpsc;

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::from_env()?;
    if args.compression != "none" {
        return Err("it has no stream compression".into());
    }
    let report = kit::run(args.flavour, client(args.clone()));
    report.print();
    Ok(())
}

struct Handler {
    meter: Mutex<Meter>,
    done: mpsc::UnboundedSender<Report>,
}

#[async_trait]
impl RawEventHandler for Handler {
    async fn raw_event(&self, _: Context, event: Event) {
        black_box(&event);
        let report = self
            .meter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(report) = report {
            // Whoever waits for it ends the program.
            let _waits = self.done.send(report);
        }
    }
}

async fn client(args: Args) -> Report {
    let (done, mut reports) = mpsc::unbounded_channel();
    let handler = Handler {
        meter: Mutex::new(Meter::new(&args)),
        done,
    };
    let http = HttpBuilder::new("MTAwMDAwMDAwMDAwMDAwMDAwMQ.made.up")
        .proxy(format!("http://127.0.0.1:{}", args.port))
        .ratelimiter_disabled(true)
        .build();
    let mut client = serenity::client::ClientBuilder::new_with_http(http, GatewayIntents::all())
        .raw_event_handler(handler)
        .await
        .expect("a client");
    tokio::select! {
        report = reports.recv() => report.expect("the handler lives"),
        ended = client.start() => panic!("{ended:?}"),
    }
}
