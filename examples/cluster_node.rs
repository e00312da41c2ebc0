//! A node of a cluster: takes its share of the bot's shards, beside as many others as you start.
//!
//! `cargo run --features nats --example cluster_node` needs `nats-server -js` and the environment
//! variable `DISCORD_TOKEN`. With `GATEWAY_URL` and `API_URL` it runs against another gateway, such
//! as the example `local_gateway`; `NATS_URL` names another NATS server, `SHARDS` how many shards
//! there are in all (by default what the platform recommends). `examples/cluster/three_nodes.sh`
//! starts everything on this machine. Ctrl-C or SIGTERM gives the shards to the other nodes.

use std::{
    env,
    error::Error,
    io::{IsTerminal as _, stderr},
};

use shardstream::{Config, Intents, cluster::Node};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let logs = tracing_subscriber::fmt().with_writer(stderr);
    logs.with_ansi(stderr().is_terminal()).init();
    let token = env::var("DISCORD_TOKEN").map_err(|_| "DISCORD_TOKEN is not set")?;
    let mut config = Config::builder(token, Intents::non_privileged());
    if let (Ok(gateway), Ok(api)) = (env::var("GATEWAY_URL"), env::var("API_URL")) {
        config = config.gateway_url(gateway).rest_url(api);
    }
    let config = config.build()?;
    let about = config.rest_client().gateway_bot().await?;
    let shards = env::var("SHARDS").ok().map(|text| text.parse());
    let mut node = Node::builder(config, "harbour")
        .shards(shards.transpose()?.unwrap_or(about.shards))
        .session_start_limit(&about.session_start_limit);
    if let Ok(url) = env::var("NATS_URL") {
        node = node.url(url);
    }
    node.connect().await?.run_until(asked_to_end()).await?;
    println!("the other nodes have the shards of this one");
    Ok(())
}

/// Ctrl-C, and where there is one SIGTERM.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    drop(tokio::signal::ctrl_c().await);
}
