//! What does the command line say?

use std::{error::Error, ops::Range, path::PathBuf, time::Duration};

use shardstream::{
    Compression, Config, ConfigBuilder,
    discord::{self, Discord},
    platform::Platform,
    qq::{self, QQ},
};

pub(crate) const HELP: &str = "\
Prints the events of a Discord or QQ bot, one JSON object a line.

tail [--platform discord|qq] [--url WS_URL] [--api-url HTTP_URL] [--token T]
     [--app-id A --client-secret S] [--intents N] [--shards N|A..B/N|auto]
     [--compression none|zlib|zstd] [--events typed|raw] [--session-file FILE]
     [--stall MS]

  --platform     whose bot it is (default: discord)
  --url          the gateway to connect to (default: the platform's); ws:// for loopback hosts only
  --api-url      the base of REST calls, QQ's token among them (default: the platform's);
                 http:// for loopback hosts only
  --token        Discord: the bot's token (default: the environment variable DISCORD_TOKEN);
                 QQ: with --app-id, the static token of old
  --app-id       QQ: the id of the bot's app (default: the environment variable QQ_APP_ID)
  --client-secret
                 QQ: the secret of the bot's app (default: QQ_CLIENT_SECRET)
  --intents      the bits of the events to ask for (default: all that need no permission)
  --shards       8: all of eight; 2..4/8: of eight those with the numbers 2 and 3;
                 auto: as many as the platform recommends, which is asked (default: 1)
  --compression  how the server compresses (default: zlib where that is offered and built in)
  --events       typed: decoded into the library's types; raw: as the server wrote them
  --session-file resume every shard from this file at start and write it at the end
  --stall        sleep that many milliseconds after each message (MESSAGE_CREATE)

Input: {\"shard\":0,\"op\":3,\"d\":{...}} a line is sent as a raw command by that shard.
Ctrl-C or SIGTERM ends; exit 0. All shards ended: exit 1. Bad usage: exit 2.
";
/// What the command line says.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) is_qq: bool,
    pub(crate) token: Option<String>,
    pub(crate) app_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) intents: Option<u64>,
    pub(crate) url: Option<String>,
    pub(crate) api_url: Option<String>,
    pub(crate) compression: Option<Compression>,
    pub(crate) raw: bool,
    pub(crate) session_file: Option<PathBuf>,
    pub(crate) shards: Shards,
    pub(crate) stall: Duration,
}

/// Which shards to start.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shards {
    /// As many as the platform recommends.
    Auto,
    /// Those with these numbers, of so many.
    Range(Range<u32>, u32),
}

impl Default for Shards {
    fn default() -> Self {
        Self::Range(0..1, 1)
    }
}

impl Shards {
    /// More than the largest bots have: a slip of the finger, which would cost all memory.
    const TOTAL_MAX: u32 = 1 << 16;

    fn parse(text: &str) -> Option<Self> {
        if text == "auto" {
            return Some(Self::Auto);
        }
        let (range, total) = match text.split_once('/') {
            None => {
                let total = text.parse().ok()?;
                (0..total, total)
            }
            Some((range, total)) => {
                let (first, end) = range.split_once("..")?;
                (first.parse().ok()?..end.parse().ok()?, total.parse().ok()?)
            }
        };
        let possible = !range.is_empty() && range.end <= total && total <= Self::TOTAL_MAX;
        possible.then_some(Self::Range(range, total))
    }
}
/// What the program was called with; `None` where only help is wanted.
pub(crate) fn parse() -> Result<Option<Args>, Box<dyn Error>> {
    use lexopt::{Arg, ValueExt as _};

    let mut parser = lexopt::Parser::from_env();
    let mut args = Args::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("platform") => {
                args.is_qq = match parser.value()?.string()?.as_str() {
                    "discord" => false,
                    "qq" => true,
                    other => return Err(format!("--platform {other:?} is unknown").into()),
                };
            }
            Arg::Long("url") => args.url = Some(parser.value()?.string()?),
            Arg::Long("api-url") => args.api_url = Some(parser.value()?.string()?),
            Arg::Long("token") => args.token = Some(parser.value()?.string()?),
            Arg::Long("app-id") => args.app_id = Some(parser.value()?.string()?),
            Arg::Long("client-secret") => args.client_secret = Some(parser.value()?.string()?),
            Arg::Long("intents") => args.intents = Some(parser.value()?.parse()?),
            Arg::Long("compression") => {
                args.compression = Some(match parser.value()?.string()?.as_str() {
                    "none" => Compression::None,
                    "zlib" => Compression::Zlib,
                    "zstd" => Compression::Zstd,
                    other => return Err(format!("--compression {other:?} is unknown").into()),
                });
            }
            Arg::Long("events") => {
                args.raw = match parser.value()?.string()?.as_str() {
                    "raw" => true,
                    "typed" => false,
                    other => return Err(format!("--events {other:?} is unknown").into()),
                };
            }
            Arg::Long("session-file") => args.session_file = Some(parser.value()?.into()),
            Arg::Long("shards") => {
                let text = parser.value()?.string()?;
                let shards = Shards::parse(&text);
                args.shards =
                    shards.ok_or_else(|| format!("--shards {text:?} is not N, A..B/N or auto"))?;
            }
            Arg::Long("stall") => args.stall = Duration::from_millis(parser.value()?.parse()?),
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(args))
}

pub(crate) fn discord_config(args: &Args) -> Result<ConfigBuilder<Discord>, Box<dyn Error>> {
    if args.app_id.is_some() || args.client_secret.is_some() {
        return Err("--app-id and --client-secret are for --platform qq".into());
    }
    let token = or_env(args.token.as_ref(), "DISCORD_TOKEN");
    let token = token.ok_or("a token is needed: --token or DISCORD_TOKEN")?;
    let all = discord::Intents::non_privileged();
    let intents = args.intents.map_or(all, discord::Intents::from_bits_retain);
    Ok(Config::builder(token, intents))
}

pub(crate) fn qq_config(args: &Args) -> Result<ConfigBuilder<QQ>, Box<dyn Error>> {
    let app_id = or_env(args.app_id.as_ref(), "QQ_APP_ID");
    let app_id = app_id.ok_or("an app id is needed: --app-id or QQ_APP_ID")?;
    let credentials = match (&args.token, &args.client_secret) {
        (Some(_), Some(_)) => return Err("--token and --client-secret exclude each other".into()),
        (Some(token), None) => qq::Credentials::legacy(app_id, token.as_str()),
        (None, secret) => {
            let secret = or_env(secret.as_ref(), "QQ_CLIENT_SECRET");
            let secret = secret.ok_or("a secret is needed: --client-secret or QQ_CLIENT_SECRET")?;
            qq::Credentials::new(app_id, secret)
        }
    };
    let all = qq::Intents::non_privileged();
    let intents = args.intents.map_or(all, qq::Intents::from_bits_retain);
    Ok(Config::builder(credentials, intents))
}

/// What an argument says, or else the environment.
fn or_env(argument: Option<&String>, name: &str) -> Option<String> {
    argument.cloned().or_else(|| std::env::var(name).ok())
}

impl Args {
    /// What means the same on every platform.
    pub(crate) fn configure<P: Platform>(
        &self,
        mut config: ConfigBuilder<P>,
    ) -> Result<Config<P>, Box<dyn Error>> {
        if let Some(compression) = self.compression {
            config = config.compression(compression);
        }
        if let Some(url) = &self.url {
            config = config.gateway_url(url);
        }
        if let Some(api_url) = &self.api_url {
            config = config.rest_url(api_url);
        }
        Ok(config.build()?)
    }
}
