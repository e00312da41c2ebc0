//! What a server or a file says in a few words: urls, delays, tokens, sessions.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::input::Input;
use crate::{
    Config, Intents, ResumeState, Shard,
    platform::{GatewayUrl, UrlError},
    qq::token,
    transport,
};

/// The hosts of a platform, as the rule sees them.
const HOSTS: [&str; 2] = ["discord.gg", "sgroup.qq.com"];

/// A url that a server names: what is accepted sends a token nowhere else.
///
/// # Panics
///
/// Where that does not hold.
pub fn url(data: &[u8]) {
    let mut input = Input::new(data);
    let base = input.one_of(&[
        "wss://gateway.discord.gg",
        "wss://gateway.example:8443/path",
        "ws://127.0.0.1:9000",
        "ws://localhost",
        "wss://[::1]:443",
    ]);
    let base = GatewayUrl::configured(base).expect("a good url");
    let rest = input.rest();
    let Ok(text) = str::from_utf8(&rest) else {
        return;
    };
    let configured = GatewayUrl::configured(text);
    let discovered = GatewayUrl::discovered(text, &base, &HOSTS);
    let url = match (&configured, &discovered) {
        (Err(error), discovered) => {
            assert_eq!(discovered.as_ref(), Err(error));
            return;
        }
        (Ok(url), Err(error)) => {
            assert_eq!(*error, UrlError::NotAllowed);
            url
        }
        (Ok(url), Ok(same)) => {
            assert_eq!(url, same);
            url
        }
    };
    is_plain(text, url);
    assert_eq!(GatewayUrl::configured(&url.to_string()).as_ref(), Ok(url));
    assert!(url.is_tls() || url.is_loopback());
    if discovered.is_err() {
        return;
    }
    if url.is_loopback() {
        assert!(base.is_loopback());
    } else {
        let labels = |host: &str| host.split('.').rev().map(str::to_owned).collect::<Vec<_>>();
        let of_platform = |host: &&str| labels(url.host()).starts_with(&labels(host));
        assert!(url.is_tls(), "{url}");
        assert!(
            url.host() == base.host() || HOSTS.iter().any(of_platform),
            "{url}"
        );
        assert!(url.port() == 443 || url.port() == base.port(), "{url}");
        assert!(url.port() == 443 || url.host() == base.host(), "{url}");
    }
}

/// The text says what the url says, as a reader sees it who knows no more than where a scheme, a
/// host and a path begin.
fn is_plain(text: &str, url: &GatewayUrl) {
    assert!(text.is_ascii() && !text.contains(['@', '?', '#', '\\', '%', ' ']));
    let lower = text.to_ascii_lowercase();
    let scheme = if url.is_tls() { "wss://" } else { "ws://" };
    let rest = lower.strip_prefix(scheme).expect("the scheme stands first");
    let authority = rest.split('/').next().unwrap_or_default();
    let host = if url.host().contains(':') {
        format!("[{}]", url.host())
    } else {
        url.host().to_owned()
    };
    let port = authority.strip_prefix(&host).expect("the host follows");
    let default = if url.is_tls() { 443 } else { 80 };
    let port = match port.strip_prefix(':') {
        Some(port) => digits(port.as_bytes()).and_then(|port| port.parse().ok()),
        None => port.is_empty().then_some(default),
    };
    assert_eq!(port, Some(url.port()));
    assert!(url.path().starts_with('/'));
}

/// `Retry-After`, and behind a newline the answer's `Date`.
///
/// # Panics
///
/// Where seconds are not what they say, or a date asks for a delay in both directions.
pub fn retry_after(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let asked = parts.next().unwrap_or_default();
    let sent = parts.next();
    let parse = transport::retry_after::parse;
    let delay = parse(asked, sent);
    if let Some(digits) = digits(asked) {
        let exact = digits.parse().unwrap_or(u64::MAX);
        assert_eq!(delay, Some(Duration::from_secs(exact)));
        return;
    }
    let Some((delay, sent)) = delay.zip(sent) else {
        assert_eq!(delay, None, "a date is relative to another");
        return;
    };
    // The year 9999 is as far as a date goes.
    assert!(delay < Duration::from_hours(24 * 366 * 8030));
    let back = parse(sent, Some(asked)).filter(|_| digits(sent).is_none());
    assert!(delay.is_zero() || back.is_none_or(|back| back.is_zero()));
}

/// The text, where it is a number of seconds.
fn digits(value: &[u8]) -> Option<&str> {
    let text = str::from_utf8(value).ok()?.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

/// Sessions from a file: what can be read is written so that it reads the same,
/// and is what a shard begins with.
///
/// # Panics
///
/// Where that does not hold.
pub fn resume_state(data: &[u8]) {
    let Ok(state) = serde_json::from_slice::<ResumeState>(data) else {
        return;
    };
    let text = serde_json::to_string(&state).expect("it can be written");
    let again: ResumeState = serde_json::from_str(&text).expect("and read");
    assert_eq!(state, again);
    assert_eq!(state.clone().at(7).seq(), 7);
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let id = state.shard();
    let config = Config::builder("CANARY.token", Intents::GUILDS)
        .resume(state.clone())
        .build();
    let Ok(config) = config else {
        return;
    };
    let shard: Shard = Shard::with_config(id, config);
    // A state of another platform is refused; an allowed url is kept, another is dropped.
    if let Some(kept) = shard.resume_state() {
        assert_eq!(kept.platform(), "discord");
        assert_eq!((kept.seq(), kept.shard()), (state.seq(), id));
        let kept = serde_json::to_value(&kept).expect("JSON");
        assert_eq!(kept["session_id"], whole["session_id"]);
        if let Some(url) = kept["resume_url"].as_str() {
            let base = GatewayUrl::configured("wss://gateway.discord.gg").expect("a good url");
            assert!(
                GatewayUrl::discovered(url, &base, &HOSTS[..1]).is_ok(),
                "{url}"
            );
        }
    }
}

/// The answer of QQ's token endpoint, status and body, taken into the cache as the shards do.
///
/// # Panics
///
/// Where an answer gives a token that cannot be sent, one that never ends, or none though a good
/// one is there.
pub fn qq_token(data: &[u8]) {
    const HOURS_2: Duration = Duration::from_hours(2);
    let mut input = Input::new(data);
    let status = input.one_of(&[200, 200, 200, 400, 401, 403, 429, 500, 204]);
    let body = input.rest();
    let answer = token::read(status, &body);
    let offered = serde_json::from_slice::<Value>(&body).ok();
    let offered = offered.as_ref().and_then(|body| body.as_object());
    let mut cache = token::Cache::default();
    let now = Instant::now();
    match answer {
        Ok(lease) => {
            assert_eq!(status, 200);
            let text = lease.token.expose().strip_prefix("QQBot ").expect("marked");
            assert!(!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(text.len() <= 2048 && lease.lifetime <= HOURS_2);
            let offered = offered.expect("an object");
            let token = offered.get("access_token").and_then(Value::as_str);
            assert_eq!(token, Some(text));
            let fresh = cache.store(now, &lease);
            assert!(fresh <= lease.lifetime);
            assert_eq!(cache.token(now).is_some(), !fresh.is_zero());
            assert!(cache.token(now + HOURS_2).is_none());
        }
        Err(problem) => {
            assert!(problem.message().len() < 300);
            let is_good = |body: &serde_json::Map<String, Value>| {
                let token = body.get("access_token").and_then(Value::as_str);
                token.is_some_and(|text| {
                    let graphic = text.bytes().all(|byte| byte.is_ascii_graphic());
                    graphic && !text.is_empty() && text.len() <= 2048
                })
            };
            let is_good = status == 200 && offered.is_some_and(is_good);
            assert!(problem.is_fatal() || !is_good, "{problem:?}");
            for _ in 0..3 {
                cache.fail(Some(status));
            }
            assert_eq!(cache.fail(Some(status)), matches!(status, 401 | 403));
            assert!(cache.token(now).is_none());
        }
    }
}
