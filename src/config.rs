//! What can be set? `Config`, parsed once at the border.
//!
//! [`Config::new`] takes what every bot must give and cannot fail: a bad value becomes the first
//! and fatal error of [`Shard::next_event`](crate::Shard::next_event). [`ConfigBuilder`] sets the
//! rest, and its [`build`](ConfigBuilder::build) names the field that cannot work.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    credential::CredentialSource,
    error::{Error, ErrorKind},
    limits::Limits,
    platform::{Compression, EventSet, GatewayUrl, IntentsOf, Platform, UrlError},
    queue::{LocalQueue, Queue, local::QueueKey},
    rest::{self, SessionStartLimit},
    shard::{Discovery, Handshakes, ResumeState},
    transport::{Connector, Dial, Proxy, Tls, http::shown},
};

/// No deadline of more than 30 days is believed: it is a mistake, and times that far ahead could
/// overflow a clock.
const DEADLINE_MAX: Duration = Duration::from_hours(30 * 24);
/// Frames are indexed with 32 bits.
const LEN_MAX: usize = 1 << 30;

/// Decides by its name whether an event reaches the user.
type Wanted = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// How shards connect, and as whom.
///
/// A clone is cheap, and clones share the queue, so that all shards of a bot made from one
/// configuration keep the platform's identify limits together.
///
/// ```
/// use shardstream::{Config, discord::Intents};
///
/// let config = Config::new("token", Intents::GUILDS | Intents::GUILD_VOICE_STATES);
/// assert!(!format!("{config:?}").contains("token"));
/// ```
#[derive(Clone)]
pub struct Config<P> {
    platform: P,
    source: Arc<dyn CredentialSource>,
    gateway_url: Option<GatewayUrl>,
    /// Whether the user named the gateway, so that what the platform recommends is not used.
    gateway_given: bool,
    rest_url: String,
    /// The REST base as a place; `None` where it cannot work.
    rest_base: Option<GatewayUrl>,
    discovery: Arc<Discovery>,
    compression: Compression,
    tls: Tls,
    dialler: Option<Arc<dyn Dial>>,
    proxy: Option<Proxy>,
    /// Shared by all shards of the configuration, and by all that each consists of.
    limits: Arc<Limits>,
    /// Made of the four before it, for all shards of the configuration.
    connector: Connector,
    /// So many connections are made at once, by all shards of the configuration.
    handshakes: Handshakes,
    /// The user's own.
    queue: Option<Arc<dyn Queue>>,
    /// Made when first asked for, because the urls are part of its key.
    shared_queue: Arc<OnceLock<LocalQueue>>,
    resume: Option<ResumeState>,
    session_age_max: Option<Duration>,
    drop_repeated: bool,
    /// By [`ConfigBuilder::event_filter`].
    wanted: Option<Wanted>,
    /// By [`ConfigBuilder::event_flags`].
    flagged: Option<Wanted>,
    /// Whether notices reach the user.
    notices: bool,
    /// By field; the first is what the user hears of.
    problems: Vec<(&'static str, String)>,
    /// Why it stands for one that could not be made.
    refused: Option<Error>,
}

impl<P: Platform> Config<P> {
    /// A configuration with everything else by default.
    ///
    /// The platform is the one that the intents belong to. This cannot fail: credentials that
    /// cannot work are the first and fatal error of the shard, before any connection.
    pub fn new<I>(credentials: impl Into<P::Credentials>, intents: I) -> Self
    where
        I: IntentsOf<Platform = P>,
        P: Platform<Intents = I>,
        P::Credentials: CredentialSource,
    {
        let platform = P::with_intents(intents);
        let source: Arc<dyn CredentialSource> = Arc::new(credentials.into());
        let mut config = Self {
            compression: default_compression(&platform),
            platform,
            gateway_url: None,
            gateway_given: false,
            rest_url: P::REST.to_owned(),
            rest_base: None,
            discovery: Arc::default(),
            tls: Tls::default(),
            dialler: None,
            proxy: None,
            limits: Arc::default(),
            connector: Connector::new(Tls::default(), None, Limits::default()),
            handshakes: Handshakes::new(Limits::default().handshakes_max),
            queue: None,
            shared_queue: Arc::default(),
            resume: None,
            session_age_max: None,
            drop_repeated: false,
            wanted: None,
            flagged: None,
            notices: true,
            problems: Vec::new(),
            refused: None,
            source,
        };
        config.check_source();
        if let Some(url) = P::GATEWAY {
            config.set_gateway_url(url);
        }
        config.set_rest_url(P::REST);
        config
    }

    /// A builder that starts from [`Config::new`].
    pub fn builder<I>(credentials: impl Into<P::Credentials>, intents: I) -> ConfigBuilder<P>
    where
        I: IntentsOf<Platform = P>,
        P: Platform<Intents = I>,
        P::Credentials: CredentialSource,
    {
        ConfigBuilder(Self::new(credentials, intents))
    }

    /// The platform: what IDENTIFY tells beside token and shard.
    pub const fn platform(&self) -> &P {
        &self.platform
    }

    /// The gateway to connect to; `None` where none was set on a platform that tells its bots
    /// where it is, or one that cannot work.
    pub const fn gateway_url(&self) -> Option<&GatewayUrl> {
        self.gateway_url.as_ref()
    }

    /// The REST base, without a slash at its end.
    pub fn rest_url(&self) -> &str {
        &self.rest_url
    }

    /// How the server compresses what it sends.
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// Which certificates are trusted.
    pub const fn tls(&self) -> &Tls {
        &self.tls
    }

    /// Every deadline and limit.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The session to start from.
    pub const fn resume(&self) -> Option<&ResumeState> {
        self.resume.as_ref()
    }

    /// Who says when a shard may identify.
    pub(crate) fn queue(&self) -> &dyn Queue {
        if let Some(queue) = &self.queue {
            return &**queue;
        }
        self.shared_queue()
    }

    fn shared_queue(&self) -> &LocalQueue {
        self.shared_queue.get_or_init(|| {
            let gateway = self.gateway_url.as_ref().map(GatewayUrl::to_string);
            let place = format!("{} {}", gateway.unwrap_or_default(), self.rest_url);
            let key = QueueKey::new(P::NAME, &place, &self.source.bot().to_string());
            LocalQueue::shared(key, self.limits.identify_window)
        })
    }

    /// A client for the platform's REST API, with these credentials and this way to connect.
    #[cfg(feature = "http")]
    pub fn rest_client(&self) -> rest::Client {
        let (tls, dialler) = (self.tls.clone(), self.dialler.clone());
        rest::Client::from_caller(self.caller(), tls, dialler, self.proxy.clone())
    }

    pub(crate) fn caller(&self) -> rest::Caller {
        let (source, connector) = (Arc::clone(&self.source), self.connector.clone());
        rest::Caller::new::<P>(source, self.rest_url.clone(), connector)
    }

    /// Takes over what the platform recommends: its limits, and where to connect unless the user
    /// said it. `told_by` is the REST base that told it.
    #[cfg(feature = "http")]
    pub(crate) fn adopt(
        &mut self,
        gateway: &rest::GatewayBot,
        told_by: Option<&str>,
    ) -> Result<(), Error> {
        if !self.gateway_given {
            let mut bases = self.bases();
            let rest = told_by.and_then(|url| rest_base(url).ok());
            bases.extend(rest.filter(GatewayUrl::is_loopback));
            let url = GatewayUrl::discovered_by(&gateway.url, &bases, P::GATEWAY_HOSTS);
            let url = url.map_err(|problem| {
                let message = format!("the gateway that the platform named is not used: {problem}");
                Error::new(ErrorKind::Connect, message)
            })?;
            if self.discovers() {
                // It is asked again where this one fails.
                self.discovery.tell(url);
            } else {
                self.gateway_url = Some(url);
                self.shared_queue = Arc::default();
            }
        }
        self.learn(&gateway.session_start_limit);
        // Who answered is asked again; a client of another place is not ours to take the place of.
        if self.queue.is_none() && told_by == Some(&*self.rest_url) {
            let reset_after = gateway.session_start_limit.reset_after;
            self.discovery.limits_told(reset_after);
        }
        Ok(())
    }

    /// Takes over what the platform told of its identify limits, unless the user brought a queue.
    pub(crate) fn learn(&self, limit: &SessionStartLimit) {
        if self.queue.is_none() {
            let (total, remaining) = (limit.total.into(), limit.remaining.into());
            let queue = self.shared_queue();
            let concurrency = limit.max_concurrency.into();
            queue.update(concurrency, total, remaining, limit.reset_after);
        }
    }

    pub(crate) const fn discovery(&self) -> &Arc<Discovery> {
        &self.discovery
    }

    /// Whether the platform is asked where the gateway is.
    pub(crate) const fn discovers(&self) -> bool {
        self.gateway_url.is_none()
    }

    /// The places that urls from a server are held against: the gateway, and a REST base on this
    /// machine.
    pub(crate) fn bases(&self) -> Vec<GatewayUrl> {
        let rest = self.rest_base.iter().filter(|base| base.is_loopback());
        self.gateway_url.iter().chain(rest).cloned().collect()
    }

    pub(crate) const fn session_age_max(&self) -> Option<Duration> {
        self.session_age_max
    }

    pub(crate) const fn drop_repeated(&self) -> bool {
        self.drop_repeated
    }

    pub(crate) const fn source(&self) -> &Arc<dyn CredentialSource> {
        &self.source
    }

    pub(crate) const fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) const fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }

    /// Whether an event reaches the user.
    pub(crate) fn wants_event(&self, name: &str) -> bool {
        let mut filters = self.flagged.iter().chain(&self.wanted);
        filters.all(|wants| wants(name))
    }

    /// Whether notices reach the user.
    pub(crate) const fn wants_notices(&self) -> bool {
        self.notices
    }

    /// The first field that cannot work, as an error.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        match self.problems.first() {
            None => Ok(()),
            Some((field, problem)) => Err(Error::new(
                ErrorKind::Configuration,
                format!("{field}: {problem}"),
            )),
        }
    }

    /// Stands for a configuration that could not be made: a shard of it ends with this error.
    pub(crate) fn refused(mut self, error: Error) -> Self {
        self.refused = Some(error);
        self
    }

    /// Notes what is wrong with a field, or that nothing is any more.
    fn judge(&mut self, field: &'static str, problem: Option<String>) {
        self.problems.retain(|(known, _)| *known != field);
        self.problems
            .extend(problem.map(|problem| (field, problem)));
    }

    fn connect_anew(&mut self) {
        let (tls, dialler) = (self.tls.clone(), self.dialler.clone());
        let connector = Connector::new(tls, dialler, Arc::clone(&self.limits));
        self.connector = connector.through(self.proxy.clone());
        self.discovery = Arc::default();
    }

    fn check_source(&mut self) {
        let problem = self.source.check().err();
        self.judge("credentials", problem.map(str::to_owned));
    }

    fn set_rest_url(&mut self, url: &str) {
        let url = url.trim_end_matches('/');
        let parsed = rest_base(url);
        self.judge("rest_url", parsed.as_ref().err().cloned());
        self.rest_base = parsed.ok();
        url.clone_into(&mut self.rest_url);
        self.shared_queue = Arc::default();
        self.discovery = Arc::default();
    }

    fn set_gateway_url(&mut self, url: &str) {
        let parsed = GatewayUrl::configured(url);
        self.judge(
            "gateway_url",
            parsed.as_ref().err().map(UrlError::to_string),
        );
        self.gateway_url = parsed.ok();
        self.shared_queue = Arc::default();
    }
}

/// Compressed where the platform and this build can: a fifth of the traffic for little CPU.
fn default_compression<P: Platform>(platform: &P) -> Compression {
    let plain = platform.url_query(Compression::None);
    let offered = |kind: &Compression| platform.url_query(*kind) != plain;
    let mut best = Compression::BEST_FIRST.into_iter();
    best.find(|kind| kind.is_built_in() && offered(kind))
        .unwrap_or(Compression::None)
}

/// Shows no secret.
impl<P: fmt::Debug> fmt::Debug for Config<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("platform", &self.platform)
            .field("credentials", &format_args!("[redacted]"))
            .field("gateway_url", &self.gateway_url)
            .field("rest_url", &shown(&self.rest_url))
            .field("compression", &self.compression)
            .field("tls", &self.tls)
            .field("dialler", &self.dialler)
            .field("proxy", &self.proxy)
            .field("limits", &self.limits)
            .field("queue", &self.queue)
            .field("resume", &self.resume)
            .field("session_age_max", &self.session_age_max)
            .field("drop_repeated", &self.drop_repeated)
            .finish_non_exhaustive()
    }
}

/// Sets what differs from the defaults.
///
/// ```
/// use shardstream::{Config, discord::Intents, platform::Compression};
///
/// let config = Config::builder("token", Intents::GUILDS)
///     .compression(Compression::None)
///     .event_filter(|name| name != "TYPING_START")
///     .build()?;
/// assert_eq!(config.compression(), Compression::None);
///
/// let plain = Config::builder("token", Intents::GUILDS).gateway_url("ws://example.com");
/// assert!(plain.build().unwrap_err().to_string().contains("gateway_url"));
/// # Ok::<(), shardstream::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ConfigBuilder<P>(Config<P>);

impl<P: Platform> ConfigBuilder<P> {
    /// The configuration.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] that names the first field that cannot work.
    pub fn build(self) -> Result<Config<P>, Error> {
        self.0.check()?;
        Ok(self.0)
    }

    /// Sets how the server compresses what it sends. By default zlib where the platform offers
    /// it: a fifth of the traffic for little CPU and memory. In a build without zlib it is zstd,
    /// and in one without that none.
    ///
    /// One that [is not built in](Compression::is_built_in) is an error of
    /// [`build`](Self::build).
    pub fn compression(mut self, compression: Compression) -> Self {
        let problem = compression.problem().map(str::to_owned);
        self.0.judge("compression", problem);
        self.0.compression = compression;
        self
    }

    /// Sets who gives tokens, in place of the credentials that the configuration was made with:
    /// for a token that several programs share, or that another service hands out.
    pub fn credential_source(mut self, source: Arc<dyn CredentialSource>) -> Self {
        self.0.source = source;
        self.0.check_source();
        self.0.shared_queue = Arc::default();
        self.0.discovery = Arc::default();
        self
    }

    /// Sets who opens connections. By default TCP, to the host or to its [proxy](Self::proxy).
    pub fn dialler(mut self, dialler: Arc<dyn Dial>) -> Self {
        self.0.dialler = Some(dialler);
        self.0.connect_anew();
        self
    }

    /// Sets whether a message that the platform delivers a second time within five minutes, under
    /// another sequence, is dropped. By default it is not: whoever stores messages by their ids
    /// needs nothing of the kind, and it takes up to 1 MiB a shard.
    ///
    /// Only platforms that may deliver a message twice have such messages; QQ does. What was
    /// dropped is counted ([`Counters::repeated`](crate::Counters::repeated)).
    pub fn drop_repeated(mut self, drop: bool) -> Self {
        self.0.drop_repeated = drop;
        self
    }

    /// Sets which events reach the user, by name. By default all.
    ///
    /// For what [`event_flags`](Self::event_flags) cannot say; where both are set, an event must
    /// pass both. Notices are not asked about. Called for each event in the connection's task: it
    /// must be quick, and must not panic.
    pub fn event_filter(mut self, wanted: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.0.wanted = Some(Arc::new(wanted));
        self
    }

    /// Sets which events, and whether notices, reach the user. By default all.
    ///
    /// The others are dropped by their name alone: nothing of them is decoded or copied, and they
    /// wake nobody. They count as taken once all before them is, so a restart does not bring
    /// them back. The shard itself sees them all: it keeps its session, and resumes, though READY
    /// and RESUMED are not in the set. Errors always reach the user.
    ///
    /// This spares the bot's work, not its traffic; what the server sends is up to the intents.
    ///
    /// ```
    /// use shardstream::{Config, EventFlags, Intents};
    ///
    /// let config = Config::builder("token", Intents::GUILD_MESSAGES)
    ///     .event_flags(EventFlags::MESSAGE_CREATE | EventFlags::GATEWAY)
    ///     .build()?;
    /// # Ok::<(), shardstream::Error>(())
    /// ```
    pub fn event_flags(mut self, flags: P::EventFlags) -> Self {
        self.0.flagged = Some(Arc::new(move |name| flags.has_event(name)));
        self.0.notices = flags.has_notices();
        self
    }

    /// Sets the gateway to connect to: `wss://`, or `ws://` to this machine. By default the
    /// platform's own, or what it answers when asked.
    pub fn gateway_url(mut self, url: impl AsRef<str>) -> Self {
        self.0.gateway_given = true;
        self.0.set_gateway_url(url.as_ref());
        self
    }

    /// Sets the deadlines and limits. Each default has its reason beside it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.judge("limits", limits_problem(&limits));
        // Shards that differ in other limits share their turns all the same.
        if limits.handshakes_max != self.0.limits.handshakes_max {
            self.0.handshakes = Handshakes::new(limits.handshakes_max);
        }
        self.0.limits = Arc::new(limits);
        self.0.connect_anew();
        self
    }

    /// Sets the platform's value: what IDENTIFY tells beside token and shard.
    pub fn platform(mut self, platform: P) -> Self {
        self.0.platform = platform;
        self
    }

    /// Sets which outbound proxy everything goes through: the gateway, discovery, and the calls for
    /// tokens. By default what the environment says ([`Proxy::environment`]), or none where a
    /// [`dialler`](Self::dialler) is set. With both, the dialler opens connections to the proxy.
    pub fn proxy(mut self, proxy: impl Into<Proxy>) -> Self {
        let proxy = proxy.into();
        self.0.judge("proxy", proxy.problem());
        self.0.proxy = Some(proxy);
        self.0.connect_anew();
        self
    }

    /// Sets who says when a shard may identify. By default one queue for all shards of the bot in
    /// this process, which keeps the platform's limits for one bucket.
    pub fn queue(mut self, queue: Arc<dyn Queue>) -> Self {
        self.0.queue = Some(queue);
        self
    }

    /// Sets the REST base: `https://`, or `http://` to this machine. By default the platform's
    /// own. Tokens that expire are fetched below it, too.
    pub fn rest_url(mut self, url: impl AsRef<str>) -> Self {
        self.0.set_rest_url(url.as_ref());
        self
    }

    /// Sets for how long a session is resumed. By default for as long as the platform lets it.
    ///
    /// When a connection ends and its session is older, the shard identifies, at the cost of the
    /// events in between. For platforms that recycle connections by themselves, and after days of
    /// resumes have been seen to deliver nothing more over a session; a day is enough there.
    pub fn session_age_max(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.0.session_age_max = age.into();
        let wrong = |age: &Duration| age.is_zero() || *age > DEADLINE_MAX;
        let problem = self.0.session_age_max.filter(wrong);
        let problem = problem.map(|_| "not between 0 and 30 days".to_owned());
        self.0.judge("session_age_max", problem);
        self
    }

    /// Sets the session to start from, as an earlier shutdown returned it. By default the shard
    /// identifies. A shard that is not the state's ignores it.
    pub fn resume(mut self, state: impl Into<Option<ResumeState>>) -> Self {
        self.0.resume = state.into();
        let platform = self.0.resume.as_ref().map(ResumeState::platform);
        let problem = platform
            .filter(|&name| name != P::NAME)
            .map(|_| format!("the state is of another platform than {}", P::NAME));
        self.0.judge("resume", problem);
        self
    }

    /// Sets which certificates are trusted. By default what the operating system trusts.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.0.tls = tls;
        self.0.connect_anew();
        self
    }
}

impl<P> From<Config<P>> for ConfigBuilder<P> {
    fn from(config: Config<P>) -> Self {
        Self(config)
    }
}

/// The same rules as for the gateway, one scheme over.
fn rest_base(url: &str) -> Result<GatewayUrl, String> {
    let parsed = match url.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
            GatewayUrl::configured(&format!("wss:{rest}"))
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            GatewayUrl::configured(&format!("ws:{rest}"))
        }
        _ => Err(UrlError::Malformed),
    };
    parsed.map_err(|error| match error {
        UrlError::Insecure => "neither https:// nor http:// to a loopback address".to_owned(),
        _ => "not a plain url (scheme, host, perhaps port and path)".to_owned(),
    })
}

/// The first limit that cannot work.
fn limits_problem(limits: &Limits) -> Option<String> {
    let deadlines = [
        ("connect", limits.connect),
        ("connect_address", limits.connect_address),
        ("connect_stagger", limits.connect_stagger),
        ("hello", limits.hello),
        ("ready", limits.ready),
        ("ready_max", limits.ready_max),
        ("resumed", limits.resumed),
        ("silence_margin", limits.silence_margin),
        ("close", limits.close),
        ("write_stall", limits.write_stall),
        ("heartbeat_interval_min", limits.heartbeat_interval_min),
        ("heartbeat_interval_max", limits.heartbeat_interval_max),
        ("backoff", limits.backoff),
        ("backoff_max", limits.backoff_max),
        ("identify_backoff", limits.identify_backoff),
        ("identify_backoff_max", limits.identify_backoff_max),
        ("identify_window", limits.identify_window),
        ("rate_limited", limits.rate_limited),
        ("retry_after_max", limits.retry_after_max),
        ("send_window", limits.send_window),
        ("slowed", limits.slowed),
        ("answer", limits.answer),
        ("unpolled", limits.unpolled),
    ];
    let sizes = [
        ("upgrade_len_max", limits.upgrade_len_max),
        ("upgrade_headers_max", limits.upgrade_headers_max),
        ("message_len_max", limits.message_len_max),
        ("inflated_len_max", limits.inflated_len_max),
        ("pongs_max", limits.pongs_max),
        ("fragments_max", limits.fragments_max),
        ("handshakes_max", limits.handshakes_max),
        ("commands_max", limits.commands_max),
        ("buffered_events_max", limits.buffered_events_max),
        ("buffered_bytes_max", limits.buffered_bytes_max),
        ("sends_max", limits.sends_max),
        ("send_len_max", limits.send_len_max),
        ("members_max", limits.members_max),
    ];
    let deadline = deadlines
        .into_iter()
        .find(|(_, value)| value.is_zero() || *value > DEADLINE_MAX)
        .map(|(name, _)| format!("{name} is not between 0 and 30 days"));
    let size = sizes
        .into_iter()
        .find(|(_, value)| *value == 0 || *value > LEN_MAX)
        .map(|(name, _)| format!("{name} is not between 1 and {LEN_MAX}"));
    let order = [
        (
            "heartbeat_interval",
            limits.heartbeat_interval_min > limits.heartbeat_interval_max,
        ),
        ("backoff", limits.backoff > limits.backoff_max),
        (
            "identify_backoff",
            limits.identify_backoff > limits.identify_backoff_max,
        ),
        ("ready", limits.ready > limits.ready_max),
    ]
    .into_iter()
    .find(|(_, wrong)| *wrong)
    .map(|(name, _)| format!("the least of {name} is above its most"));
    deadline.or(size).or(order)
}

#[cfg(test)]
#[cfg(feature = "discord")]
mod tests;
