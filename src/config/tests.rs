use std::time::Duration;

use super::{Config, ConfigBuilder};
use crate::{
    discord::{Discord, Intents},
    error::ErrorKind,
    limits::Limits,
    platform::Compression,
    transport::Proxy,
};

fn builder() -> ConfigBuilder<Discord> {
    Config::builder("CANARY", Intents::GUILDS)
}

fn refused(builder: ConfigBuilder<Discord>) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.is_fatal());
    error.to_string()
}

#[test]
fn defaults_are_the_platforms_own() {
    let config = builder().build().unwrap();
    let url = config.gateway_url().unwrap().to_string();
    assert_eq!(url, "wss://gateway.discord.gg/");
    assert_eq!(config.rest_url(), "https://discord.com/api/v10");
    let best = if Compression::Zlib.is_built_in() {
        Compression::Zlib
    } else if Compression::Zstd.is_built_in() {
        Compression::Zstd
    } else {
        Compression::None
    };
    assert_eq!(config.compression(), best);
    assert_eq!(*config.limits(), Limits::default());
}

#[test]
fn a_compression_that_is_not_built_in_is_named_with_its_feature() {
    for (kind, feature) in [
        (Compression::Zlib, "`zlib-rs`"),
        (Compression::Zstd, "`zstd`"),
    ] {
        let chosen = builder().compression(kind);
        if kind.is_built_in() {
            assert_eq!(chosen.build().unwrap().compression(), kind);
            continue;
        }
        let said = refused(chosen.clone());
        assert!(
            said.starts_with("compression: ") && said.contains(feature),
            "{said}"
        );
        assert!(chosen.compression(Compression::None).build().is_ok());
    }
}

#[test]
fn a_bad_token_cannot_fail_new_and_is_named_by_build() {
    let config: Config<Discord> = Config::new("CANARY\r\n", Intents::GUILDS);
    let said = refused(ConfigBuilder::from(config));
    assert!(said.starts_with("credentials: "), "{said}");
    assert!(!said.contains("CANARY"));
}

#[test]
fn a_bad_url_is_named_and_a_good_one_after_it_mends_it() {
    for (bad, why) in [
        ("ws://example.com", "neither wss"),
        ("https://gateway.discord.gg", "not a plain"),
        ("", "not a plain"),
    ] {
        let said = refused(builder().gateway_url(bad));
        assert!(
            said.starts_with("gateway_url: ") && said.contains(why),
            "{said}"
        );
        let mended = builder().gateway_url(bad).gateway_url("ws://127.0.0.1:9");
        assert!(mended.build().is_ok());
    }
    for bad in [
        "http://example.com",
        "ftp://x",
        "https://",
        "x",
        "",
        "https://a?b",
    ] {
        let said = refused(builder().rest_url(bad));
        assert!(said.starts_with("rest_url: "), "{bad}: {said}");
    }
    for good in ["http://127.0.0.1:80/", "https://example.com/api"] {
        assert!(builder().rest_url(good).build().is_ok(), "{good}");
    }
}

#[test]
fn a_limit_that_cannot_work_is_named() {
    let default = Limits::default;
    let zero = Limits {
        hello: Duration::ZERO,
        ..default()
    };
    let endless = Limits {
        backoff_max: Duration::MAX,
        ..default()
    };
    let none = Limits {
        commands_max: 0,
        ..default()
    };
    let turned = Limits {
        ready_max: default().ready / 2,
        ..default()
    };
    for (limits, name) in [
        (zero, "hello"),
        (endless, "backoff_max"),
        (none, "commands_max"),
        (turned, "ready"),
    ] {
        let said = refused(builder().limits(limits));
        assert!(
            said.starts_with("limits: ") && said.contains(name),
            "{said}"
        );
    }
}

#[test]
fn a_state_of_another_platform_is_refused() {
    let text = r#"{"platform":"qq","shard":[0,1],"session_id":"CANARY","seq":1}"#;
    let state: crate::ResumeState = serde_json::from_str(text).unwrap();
    assert!(refused(builder().resume(state.clone())).starts_with("resume: "));
    assert!(builder().resume(state).resume(None).build().is_ok());
}

#[test]
fn a_proxy_that_cannot_be_used_is_named_without_its_password_and_a_good_one_mends_it() {
    for bad in ["ftp://CANARY@a", "http://a:CANARY@", "socks5://CANARY@a"] {
        let chosen = builder().proxy(bad);
        assert!(!format!("{chosen:?}").contains("CANARY"));
        let said = refused(chosen.clone());
        assert!(said.starts_with("proxy: "), "{said}");
        assert!(!said.contains("CANARY"), "{said}");
        assert!(chosen.clone().proxy("http://a:CANARY@b").build().is_ok());
        assert!(chosen.proxy(Proxy::none()).build().is_ok());
    }
}

#[test]
fn debug_shows_no_secret() {
    let text = r#"{"platform":"discord","shard":[0,1],"session_id":"CANARY","seq":1}"#;
    let state: crate::ResumeState = serde_json::from_str(text).unwrap();
    let builder = builder().resume(state).proxy("CANARY:CANARY@proxy.example");
    let shown = format!("{:?}", builder.build().unwrap());
    assert!(!shown.contains("CANARY"), "{shown}");
    assert!(shown.contains("http://proxy.example:80"), "{shown}");
    assert!(shown.contains("gateway.discord.gg"));
}
