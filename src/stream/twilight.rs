//! What does twilight-http's client recommend? For who has one anyway.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use twilight_http::{Client, error::ErrorType};

use super::Recommend;
use crate::{
    error::{Error, ErrorKind},
    rest::{self, GatewayBot, SessionStartLimit},
};

/// Asks by twilight's client, with its token, its limits and its patience: it waits out and repeats
/// what the API answers with 429.
///
/// ```no_run
/// use futures::StreamExt;
/// use shardstream::{Config, Intents, stream::{self, ShardEventStream}};
///
/// # async fn example(token: String) -> Result<(), Box<dyn std::error::Error>> {
/// let client = twilight_http::Client::new(token.clone());
/// let config = Config::new(token, Intents::GUILDS);
/// let shards = stream::create_recommended(&client, config, |_, builder| builder.build()).await?;
/// let mut stream = ShardEventStream::new(shards);
/// while let Some((shard, event)) = stream.next().await {
///     println!("{}: {event:?}", shard.id());
/// }
/// # Ok(())
/// # }
/// ```
impl Recommend for Client {
    fn recommended(&self) -> BoxFuture<'_, Result<GatewayBot, rest::Error>> {
        async {
            let response = self.gateway().authed().await.map_err(|error| {
                let (kind, _) = error.into_parts();
                failed(&kind)
            })?;
            let info = response.model().await.map_err(|_| {
                // Its source quotes the body.
                let message = "GET /gateway/bot: not the documented answer";
                rest::Error::from(Error::new(ErrorKind::Connect, message)).with_status(200)
            })?;
            let limit = info.session_start_limit;
            Ok(GatewayBot {
                url: info.url,
                shards: info.shards.max(1),
                session_start_limit: SessionStartLimit {
                    total: limit.total,
                    remaining: limit.remaining,
                    reset_after: Duration::from_millis(limit.reset_after),
                    max_concurrency: u32::from(limit.max_concurrency).max(1),
                },
            })
        }
        .boxed()
    }
}

/// What went wrong, without the body that twilight's error holds.
fn failed(kind: &ErrorType) -> rest::Error {
    let error = |kind, message: &'static str| rest::Error::from(Error::new(kind, message));
    match kind {
        ErrorType::Response { status, .. } if status.get() == 401 => refused(),
        ErrorType::Unauthorized => refused(),
        ErrorType::Response { status, .. } => {
            let message = format!("GET /gateway/bot: HTTP status {}", status.get());
            let error = rest::Error::from(Error::new(ErrorKind::Connect, message));
            error.with_status(status.get())
        }
        ErrorType::BuildingRequest | ErrorType::CreatingHeader { .. } => error(
            ErrorKind::Configuration,
            "GET /gateway/bot: twilight-http could not build the request; check its token",
        ),
        ErrorType::RequestTimedOut => error(
            ErrorKind::Connect,
            "GET /gateway/bot: twilight-http had no answer in time",
        ),
        _ => error(
            ErrorKind::Connect,
            "GET /gateway/bot: twilight-http could not make the call",
        ),
    }
}

fn refused() -> rest::Error {
    let message = "GET /gateway/bot: the token was refused (HTTP status 401)";
    rest::Error::from(Error::new(ErrorKind::Credentials, message)).with_status(401)
}

#[cfg(test)]
#[cfg(feature = "local-gateway")]
mod tests {
    use twilight_http::Client;

    use super::super::{Recommend as _, create_recommended};
    use crate::{
        Config, ErrorKind, Intents, Shard,
        local::{Fault, Gateway},
    };

    /// A gateway on this machine, and a client for its API.
    async fn bench() -> (Gateway, Client) {
        let builder = Gateway::builder().shards(3).max_concurrency(2);
        let gateway = builder.session_starts(1_000, 7).start().await.unwrap();
        let host = gateway.rest_url().trim_start_matches("http://").to_owned();
        let host = host.split('/').next().unwrap().to_owned();
        let client = Client::builder()
            .token(crate::observe::watch::TOKEN.to_owned())
            .proxy(host, true);
        (gateway, client.build())
    }

    #[tokio::test]
    async fn what_twilights_client_is_told_is_what_is_started() {
        let (gateway, client) = bench().await;
        let told = client.recommended().await.unwrap();
        let limit = told.session_start_limit;
        assert_eq!((told.shards, limit.remaining, limit.total), (3, 7, 1_000));
        assert_eq!(limit.max_concurrency, 2);

        let config = Config::builder(crate::observe::watch::TOKEN, Intents::GUILDS)
            .gateway_url(gateway.url())
            .build()
            .unwrap();
        let shards = create_recommended(&client, config, |_, builder| builder.build()).await;
        let shards: Vec<Shard> = shards.unwrap().collect();
        let ids: Vec<_> = shards.iter().map(|shard| shard.id().to_string()).collect();
        assert_eq!(ids, ["[0, 3]", "[1, 3]", "[2, 3]"]);
    }

    #[tokio::test]
    async fn a_refusal_is_typed_and_quotes_nothing() {
        for (status, kind) in [
            (401, ErrorKind::Credentials),
            (403, ErrorKind::Connect),
            (500, ErrorKind::Connect),
        ] {
            let (gateway, client) = bench().await;
            let body = r#"{"code":0,"message":"LEAK"}"#;
            gateway.misbehave_always([Fault::rest(status, &[], body)]);
            let error = client.recommended().await.unwrap_err();
            assert_eq!((error.kind(), error.status()), (kind, Some(status)));
            assert_eq!(error.is_fatal(), status == 401);
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("LEAK") && !shown.contains("CANARY"),
                "{shown}"
            );
            if status == 401 {
                // Twilight's client remembers it, and sends nothing more.
                assert!(client.recommended().await.unwrap_err().is_fatal());
            }
        }
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_and_no_answer_may_be_tried_again() {
        for (status, body) in [(200, "<LEAK>"), (502, "<LEAK>")] {
            let (gateway, client) = bench().await;
            gateway.misbehave_always([Fault::rest(status, &[], body)]);
            let error = client.recommended().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Connect);
            assert!(!format!("{error} {error:?}").contains("LEAK"), "{error:?}");
        }
        let (gateway, client) = bench().await;
        drop(gateway);
        let error = client.recommended().await.unwrap_err();
        assert!(!error.is_fatal());
    }
}
