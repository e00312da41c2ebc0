//! Where a session may be resumed, and where it must not.

use shardstream::{
    ErrorKind,
    local::{Fault, Gateway, Step},
};
use tokio::time::Instant;

use super::{
    super::world::{Way, World, pour, read_head, secs},
    begun, no_such_name, refused,
};

/// Goal: however the resume url is dead, it is tried once, then the base url has the session, no
/// later than 11 s after the cut.
#[tokio::test(start_paused = true)]
async fn f107_a_dead_resume_url_is_tried_once_and_then_the_base_url_has_the_session() {
    type Case = (&'static str, &'static str, fn() -> Way);
    fn not_found() -> Way {
        Way::serve(|mut pipe| async move {
            read_head(&mut pipe).await;
            pour(&mut pipe, b"HTTP/1.1 404 Not Found\r\n\r\n").await;
        })
    }
    fn garbage() -> Way {
        Way::serve(|mut pipe| async move {
            pour(&mut pipe, &[0; 64]).await;
        })
    }
    let cases: [Case; 6] = [
        ("refused", "ws://127.0.0.2:9", || Way::Fail(refused())),
        ("silent", "ws://127.0.0.2:9", || Way::Hang),
        ("no such name", "ws://127.0.0.2:9", || {
            Way::Fail(no_such_name())
        }),
        ("404", "ws://127.0.0.2:9", not_found),
        ("no TLS", "wss://127.0.0.2:9", garbage),
        ("closed", "ws://127.0.0.2:9", || {
            Way::serve(|pipe| async { drop(pipe) })
        }),
    ];
    for (name, url, way) in cases {
        let world = World::new(Gateway::builder().resume_url(url));
        let mut bot = begun(&world).await;
        world
            .wire
            .always(move |dialled| match dialled.host.as_str() {
                "127.0.0.2" => way(),
                _ => Way::Gateway,
            });
        let cut = Instant::now();
        bot.order([Step::Rst]);
        bot.goes_on().await;
        let took = cut.elapsed();
        assert!(took <= secs(11), "{name}: {took:?}");
        bot.kept_its_session(1);
        let hosts: Vec<_> = world
            .wire
            .dials()
            .into_iter()
            .map(|dial| dial.host)
            .collect();
        assert_eq!(hosts, ["127.0.0.1", "127.0.0.2", "127.0.0.1"], "{name}");
        // Also after the next cut the session is there. RESUMED names no url: the base has it.
        bot.order([Step::Rst]);
        bot.goes_on().await;
        bot.kept_its_session(2);
        assert_eq!(world.wire.dials()[3].host, "127.0.0.1", "{name}");
    }
}

/// Urls to which the token must not be sent.
const HOSTILE_URLS: &[&str] = &[
    "ws://gateway.discord.gg",
    "http://gateway.discord.gg",
    "https://gateway.discord.gg",
    "gateway.discord.gg",
    "//gateway.discord.gg",
    "ftp://gateway.discord.gg",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "unix:///run/socket",
    "",
    " ",
    "wss://",
    "wss:///path",
    "wss://:443",
    "wss://evil.example",
    "wss://evil.example/gateway.discord.gg",
    "wss://evil.example?gateway.discord.gg",
    "wss://evil.example#gateway.discord.gg",
    "wss://gateway.discord.gg.evil.example",
    "wss://discord.gg.evil.example",
    "wss://evildiscord.gg",
    "wss://evil-discord.gg",
    "wss://discord.gg:80",
    "wss://gateway-us.discord.gg:8443",
    "wss://gateway-us.discord.gg:0",
    "wss://gateway-us.discord.gg:65536",
    "wss://gateway-us.discord.gg:",
    "wss://gateway-us.discord.gg:443:443",
    "wss://gateway-us.discord.gg@evil.example",
    "wss://evil.example@gateway-us.discord.gg",
    "wss://user:password@gateway-us.discord.gg",
    "wss://gateway-us.discord.gg\\@evil.example",
    "wss:\\\\gateway-us.discord.gg",
    "wss://gateway-us.discord.gg%2eevil.example",
    "wss://gateway-us.discord.gg%00.evil.example",
    "wss://evil.example%2f.discord.gg",
    "wss://gateway us.discord.gg",
    "wss://gateway-us.discord.gg\u{0}",
    "wss://gateway-us.discord.gg\r\nHost: evil.example",
    " wss://gateway-us.discord.gg",
    "wss://gateway-us.discord.gg\n",
    "wss://gateway-us.d\u{456}scord.gg",
    "wss://\u{ff45}vil.example",
    "wss://.discord.gg",
    "wss://..discord.gg",
    "wss://discord..gg",
    "wss://gateway.discord.gg.",
    "wss://gg",
    "wss://localhost",
    "wss://127.0.0.1",
    "ws://127.0.0.1:1",
    "wss://[::1]",
    "wss://[::ffff:127.0.0.1]",
    "wss://[gateway.discord.gg]",
    "wss://[::1",
    "wss://10.0.0.1",
    "wss://169.254.169.254/latest/meta-data",
    "wss://0x7f.1",
    "wss://2130706433",
    "wss://127.1",
    "wss://0.0.0.0",
    "wss://gateway-us.discord.gg?token=1",
    "wss://gateway-us.discord.gg#x",
    "wss://gateway-us.discord.gg/%2e%2e?x",
];

/// As JSON texts, with those that are too long or no text at all.
fn hostile_urls() -> Vec<String> {
    let quoted = |url: &&str| serde_json::Value::from(*url).to_string();
    let mut urls: Vec<String> = HOSTILE_URLS.iter().map(quoted).collect();
    let long = format!("wss://{}.discord.gg", "a".repeat(64 << 10));
    urls.push(serde_json::Value::from(long).to_string());
    let path = format!("wss://gateway-us.discord.gg/{}", "a".repeat(64 << 10));
    urls.push(serde_json::Value::from(path).to_string());
    let typed = [
        "null",
        "0",
        "-1e300",
        "true",
        "[]",
        "{}",
        r#"["wss://gateway.discord.gg"]"#,
    ];
    urls.extend(typed.map(String::from));
    urls
}

/// Goal: a url that is not the platform's is never dialled, and costs nothing but itself: the
/// session is resumed at the base url. Method: dial by host, behind TLS as in earnest, so that
/// addresses of this machine are strangers too.
#[tokio::test(start_paused = true)]
async fn f108_a_hostile_resume_url_is_never_dialled_and_the_base_url_has_the_session() {
    const HOST: &str = "gateway.discord.gg";
    let urls = hostile_urls();
    assert!(urls.len() >= 40);
    for url in &urls {
        let (world, _) = World::tls(HOST, None);
        world
            .gateway
            .misbehave([Fault::ready_with("resume_gateway_url", url)]);
        let mut bot = begun(&world).await;
        bot.order([Step::Rst]);
        bot.goes_on().await;
        bot.kept_its_session(1);
        for dial in world.wire.dials() {
            assert_eq!((dial.host.as_str(), dial.port), (HOST, 443), "{url}");
        }
        assert_eq!(world.wire.dials().len(), 2, "{url}");
        assert_eq!(bot.errors(ErrorKind::Connect), [""; 0], "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn f108_a_resume_url_of_the_platform_is_dialled() {
    let (world, _) = World::tls("gateway.discord.gg", Some("wss://gateway-us.discord.gg"));
    let mut bot = begun(&world).await;
    bot.order([Step::Rst]);
    bot.goes_on().await;
    bot.kept_its_session(1);
    let hosts: Vec<_> = world
        .wire
        .dials()
        .into_iter()
        .map(|dial| dial.host)
        .collect();
    // Its certificate is for another name here, so the base url follows.
    assert_eq!(
        hosts,
        [
            "gateway.discord.gg",
            "gateway-us.discord.gg",
            "gateway.discord.gg"
        ]
    );
}
