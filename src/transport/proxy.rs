//! Through whom does a connection go? Which proxy is for which host, from a setting or from the
//! environment. What is said to a proxy is in `tunnel`.

use std::{fmt, net::IpAddr, sync::Arc};

use crate::{
    error::{Error, ErrorKind},
    platform::GatewayUrl,
    secret::Token,
};

/// SOCKS5 tells the length of a user name and of a password in one byte each (RFC 1929).
const SOCKS_LEN_MAX: usize = 255;

/// Which outbound proxy connections go through: those to the gateway, and the calls to the
/// platform's REST API and to where tokens come from, all alike.
///
/// By default it is what the [environment](Self::environment) says, as with curl and with most HTTP
/// clients: a bot behind a company's proxy connects with nothing set in its code.
/// [`Proxy::none`] is for those who want that never.
///
/// A proxy's url is `http://`, `https://` (TLS up to the proxy, with the same [`Tls`](crate::Tls) as
/// to the gateway), `socks5://` or `socks5h://`, with `user:password@` in front of the host where
/// it asks for them (percent-encoded where they hold what a url cannot). Without a scheme it is
/// `http://`. The ports are 80, 443 and 1080 where it names none.
///
/// | scheme | protocol |
/// |---|---|
/// | `http`, `https` | CONNECT ([RFC 9110 section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)), credentials as `Basic` |
/// | `socks5`, `socks5h` | SOCKS5 ([RFC 1928](https://www.rfc-editor.org/rfc/rfc1928)), credentials by [RFC 1929](https://www.rfc-editor.org/rfc/rfc1929) |
///
/// The proxy looks the names up, by either name of SOCKS5: the platform's addresses are its own
/// business, and often only the proxy can find them. The proxy sees host, port and how much is
/// sent; token and events are within TLS. So what is not TLS never leaves this machine: a gateway
/// on this machine is reached through a proxy of this machine only, and that only where the proxy
/// is set by [`Proxy::url`].
///
/// A proxy that cannot be reached, refuses, stalls or is none is an
/// [`ErrorKind::Proxy`], which names its host and port and never its credentials; the deadlines and
/// limits of a connection ([`Limits`](crate::Limits)) hold for it too.
///
/// ```
/// use shardstream::{Config, Intents, Proxy};
///
/// let proxy = Proxy::url("socks5h://bot:s3cret@proxy.example").except(".internal,10.0.0.0/8");
/// assert!(!format!("{proxy:?}").contains("s3cret"));
/// let config = Config::builder("token", Intents::GUILDS).proxy(proxy).build()?;
///
/// let wrong = Config::builder("token", Intents::GUILDS).proxy("gopher://proxy.example");
/// assert!(wrong.build().unwrap_err().to_string().starts_with("proxy: "));
/// # Ok::<(), shardstream::Error>(())
/// ```
#[derive(Clone)]
pub struct Proxy(Arc<Choice>);

#[derive(Clone)]
struct Choice {
    /// The variable that it is from; none where it was set.
    variable: Option<&'static str>,
    /// None where connections go straight to their hosts.
    route: Option<Result<Route, Problem>>,
    except: Vec<Exception>,
}

/// Where a proxy is, and what it wants to hear.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) scheme: Scheme,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) user: Token,
    pub(super) password: Token,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
    Socks5,
}

/// Why a url is not that of a proxy. Never holds the url, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Credentials,
    Malformed,
    Scheme,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credentials => {
                "the credentials cannot be sent (a user name without a colon; for SOCKS5 both of 1 \
                 to 255 bytes)"
            }
            Self::Malformed => "not a plain url (scheme, perhaps user:password@, host and port)",
            Self::Scheme => "none of http://, https://, socks5:// and socks5h://",
        })
    }
}

/// Hosts that are reached without the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    All,
    /// Addresses whose first so many bits are these, at this port or at any.
    Net(IpAddr, u32, Option<u16>),
    /// This name and all below it, at this port or at any.
    Name(String, Option<u16>),
}

impl Proxy {
    /// What the environment says, read now: the default.
    ///
    /// The first of `https_proxy`, `HTTPS_PROXY`, `all_proxy` and `ALL_PROXY` that is set and not
    /// empty names the proxy; the first of `no_proxy` and `NO_PROXY` the hosts that need none, as
    /// in [`except`](Self::except). (`HTTP_PROXY` is about connections without TLS, which never
    /// leave this machine.) This machine itself (`localhost`, loopback addresses) is never reached
    /// through a proxy of the environment.
    ///
    /// A value that names no proxy that can be used is a fatal error of the first connection that
    /// would go through it, and no reason to go past the proxy.
    pub fn environment() -> Self {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// No proxy, whatever the environment says.
    pub fn none() -> Self {
        Self(Arc::new(Choice {
            variable: None,
            route: None,
            except: Vec::new(),
        }))
    }

    /// The proxy with this url, whatever the environment says.
    ///
    /// One that cannot be used is the error of
    /// [`ConfigBuilder::build`](crate::ConfigBuilder::build), or of the first call, before anything
    /// is connected.
    pub fn url(url: impl AsRef<str>) -> Self {
        Self(Arc::new(Choice {
            variable: None,
            route: Some(Route::parse(url.as_ref())),
            except: Vec::new(),
        }))
    }

    /// Names hosts that are reached without the proxy, beside those named before.
    ///
    /// The grammar is that of `NO_PROXY`: entries between commas or spaces, each a name (with or
    /// without a dot in front, it stands for itself and all names below), an IP address, a network
    /// such as `10.0.0.0/8`, each perhaps with a port (`example.com:8443`, `[::1]:443`), or `*` for
    /// all. Names are not looked up: an address matches only where the target is written as one.
    #[must_use]
    pub fn except(mut self, hosts: impl AsRef<str>) -> Self {
        let choice = Arc::make_mut(&mut self.0);
        choice.except.extend(exceptions(hosts.as_ref()));
        self
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &'static [&'static str]| {
            let mut set = names.iter().filter_map(|name| Some((*name, read(name)?)));
            set.find(|(_, value)| !value.trim().is_empty())
        };
        let named = first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]);
        let except = first(&["no_proxy", "NO_PROXY"]);
        let Some((variable, url)) = named else {
            return Self::none();
        };
        Self(Arc::new(Choice {
            variable: Some(variable),
            route: Some(Route::parse(url.trim())),
            except: except.map_or_else(Vec::new, |(_, hosts)| exceptions(&hosts)),
        }))
    }

    /// Why it was set to something that cannot be used.
    pub(crate) fn problem(&self) -> Option<String> {
        match &self.0.route {
            Some(Err(problem)) if self.0.variable.is_none() => Some(problem.to_string()),
            _ => None,
        }
    }

    /// The proxy on the way to a host.
    pub(super) fn route(&self, target: &GatewayUrl) -> Result<Option<&Route>, Error> {
        let Some(route) = &self.0.route else {
            return Ok(None);
        };
        if target.is_loopback() && self.0.variable.is_some() {
            return Ok(None);
        }
        let (host, port) = (target.host(), target.port());
        if self.0.except.iter().any(|except| except.holds(host, port)) {
            return Ok(None);
        }
        let route = route.as_ref().map_err(|problem| {
            let field = self.0.variable.unwrap_or("proxy");
            Error::new(ErrorKind::Configuration, format!("{field}: {problem}"))
        })?;
        // No other machine has a way to this one's own addresses, nor a right to read what goes
        // there without TLS.
        Ok((!target.is_loopback() || route.is_loopback()).then_some(route))
    }
}

/// What the environment says.
impl Default for Proxy {
    fn default() -> Self {
        Self::environment()
    }
}

impl From<&str> for Proxy {
    fn from(url: &str) -> Self {
        Self::url(url)
    }
}

impl From<String> for Proxy {
    fn from(url: String) -> Self {
        Self::url(url)
    }
}

/// Shows no credentials.
impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Proxy");
        match &self.0.route {
            None => return f.write_str("Proxy(none)"),
            Some(Ok(route)) => shown.field("url", &format_args!("{route}")),
            Some(Err(_)) => shown.field("url", &format_args!("[unusable]")),
        };
        if let Some(variable) = self.0.variable {
            shown.field("variable", &variable);
        }
        shown.field("except", &self.0.except).finish()
    }
}

impl Route {
    fn parse(url: &str) -> Result<Self, Problem> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (Scheme::Http, 80),
            "https" => (Scheme::Https, 443),
            "socks5" | "socks5h" => (Scheme::Socks5, 1080),
            _ => return Err(Problem::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let (host, port) = host_and_port(place).ok_or(Problem::Malformed)?;
        let credentials = user.map(|user| Credentials::parse(user, scheme));
        Ok(Self {
            scheme,
            host,
            port: port.unwrap_or(default_port),
            credentials: credentials.transpose()?,
        })
    }

    fn is_loopback(&self) -> bool {
        let address = self.host.parse();
        self.host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

/// The proxy as it may be shown, without its credentials.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Socks5 => "socks5h",
        };
        write!(f, "{scheme}://{}", authority(&self.host, self.port))
    }
}

impl Credentials {
    fn parse(text: &str, scheme: Scheme) -> Result<Self, Problem> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decode = |text| percent_decoded(text).ok_or(Problem::Malformed);
        let (user, password) = (decode(user)?, decode(password)?);
        let sendable = match scheme {
            Scheme::Http | Scheme::Https => !user.expose().contains(':'),
            Scheme::Socks5 => [&user, &password]
                .iter()
                .all(|text| (1..=SOCKS_LEN_MAX).contains(&text.expose().len())),
        };
        let credentials = Self { user, password };
        sendable.then_some(credentials).ok_or(Problem::Credentials)
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((net, bits)) = entry.split_once('/') {
            let (net, bits) = (net.parse().ok()?, bits.parse().ok()?);
            return (bits <= width(net)).then_some(Self::Net(net, bits, None));
        }
        // A bare IPv6 address is all address.
        let whole = entry.parse::<IpAddr>().ok().map(|net| (net, None));
        let (host, port) = host_and_port(entry).unwrap_or_default();
        let net = whole.or_else(|| Some((host.parse().ok()?, port)));
        if let Some((net, port)) = net {
            return Some(Self::Net(net, width(net), port));
        }
        let name = host.strip_prefix('*').unwrap_or(&host);
        let name = name.strip_prefix('.').unwrap_or(name);
        (!name.is_empty()).then(|| Self::Name(name.to_owned(), port))
    }

    fn holds(&self, host: &str, port: u16) -> bool {
        let at = |only: &Option<u16>| only.is_none_or(|only| only == port);
        match self {
            Self::All => true,
            Self::Net(net, bits, only) => {
                at(only) && host.parse().is_ok_and(|host| same_net(host, *net, *bits))
            }
            Self::Name(name, only) => {
                let front = host.strip_suffix(&**name);
                at(only) && front.is_some_and(|front| front.is_empty() || front.ends_with('.'))
            }
        }
    }
}

fn exceptions(list: &str) -> Vec<Exception> {
    let entries = list.split(|unit: char| unit == ',' || unit.is_whitespace());
    entries.filter_map(Exception::parse).collect()
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn same_net(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    let differing = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return false,
    };
    differing >= bits
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`, in lower case; `*` and `_` may be in a name.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            let port = behind.strip_prefix(':');
            if port.is_none() && !behind.is_empty() {
                return None;
            }
            (host, port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*:".contains(&byte);
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().ok().filter(|&port| port != 0)?)
        }
        Some(_) => return None,
        None => None,
    };
    let good = !host.is_empty() && host.len() <= 253 && host.bytes().all(named);
    good.then(|| (host.to_ascii_lowercase(), port))
}

/// Host and port as requests name them.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// The text with its `%41`s as what they stand for, where that is text.
fn percent_decoded(text: &str) -> Option<Token> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let byte = if first == b'%' {
            let (digits, behind) = rest.split_at_checked(2)?;
            rest = behind;
            let mut digits = digits.iter().map(|&digit| char::from(digit).to_digit(16));
            let value = digits.try_fold(0, |value, digit| Some(value * 16 + digit?))?;
            u8::try_from(value).ok()?
        } else {
            first
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok().map(Token::new)
}

#[cfg(test)]
mod tests {
    use super::{Proxy, Route};
    use crate::{error::ErrorKind, platform::GatewayUrl};

    fn parsed(url: &str) -> Option<(String, Option<(String, String)>)> {
        let route = Route::parse(url).ok()?;
        let credentials = route.credentials.as_ref().map(|credentials| {
            let user = credentials.user.expose().to_owned();
            (user, credentials.password.expose().to_owned())
        });
        Some((route.to_string(), credentials))
    }

    /// Whether a target goes through the proxy.
    fn goes(proxy: &Proxy, target: &str) -> bool {
        let target = GatewayUrl::configured(target).unwrap();
        proxy.route(&target).unwrap().is_some()
    }

    fn environment(variables: &[(&str, &str)]) -> Proxy {
        Proxy::from_variables(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn urls_of_proxies_are_read() {
        let with = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, shown, credentials) in [
            ("http://Proxy.example", "http://proxy.example:80", None),
            ("proxy.example:3128", "http://proxy.example:3128", None),
            ("localhost:3128/", "http://localhost:3128", None),
            ("https://my_proxy", "https://my_proxy:443", None),
            ("SOCKS5://10.0.0.1", "socks5h://10.0.0.1:1080", None),
            ("socks5h://[::1]:9", "socks5h://[::1]:9", None),
            ("http://a@b", "http://b:80", with("a", "")),
            ("http://a:b:c@d:1", "http://d:1", with("a", "b:c")),
            (
                "http://a%40b:c%2F%c3%a4%25@d",
                "http://d:80",
                with("a@b", "c/ä%"),
            ),
            ("http://a:p@ss@d", "http://d:80", with("a", "p@ss")),
            ("socks5://a:b@c", "socks5h://c:1080", with("a", "b")),
        ] {
            assert_eq!(parsed(url), Some((shown.to_owned(), credentials)), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_of_a_proxy_is_told_without_its_password() {
        let long = format!("socks5://a:{}@b", "CANARY".repeat(50));
        for bad in [
            "",
            "http://",
            "ftp://CANARY@a",
            "socks4://CANARY@a",
            "socks://CANARY:CANARY@a",
            "http://CANARY@",
            "http://CANARY@a:0",
            "http://CANARY@a:99999",
            "http://CANARY@a:",
            "http://CANARY@a:b",
            "http://CANARY@a:+1",
            "http://CANARY@a/b",
            "http://CANARY@a?b",
            "http://CANARY@a b",
            "http://CANARY@ä",
            "http://CANARY@[a]",
            "http://CANARY@[::1",
            "http://CANARY@[::1]x",
            "http://CANARY@::1",
            "http://CANARY%@a",
            "http://CANARY%zz@a",
            "http://CANARY%ff@a",
            "http://CANARY%3a:b@a",
            "socks5://CANARY@a",
            "socks5://:CANARY@a",
            &long,
        ] {
            let proxy = Proxy::url(bad);
            let problem = proxy.problem().unwrap_or_else(|| panic!("{bad}"));
            let error = proxy.route(&GatewayUrl::configured("wss://a").unwrap());
            let error = error.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let shown = format!("{problem} {proxy:?} {error:?} {error}");
            assert!(!shown.contains("CANARY"), "{shown}");
        }
    }

    #[test]
    fn debug_shows_where_a_proxy_is_and_no_credentials() {
        let proxy = Proxy::url("http://CANARY:CANARY@proxy.example:3128").except("a");
        let shown = format!("{proxy:?}");
        assert!(shown.contains("http://proxy.example:3128"), "{shown}");
        assert!(!shown.contains("CANARY"), "{shown}");
    }

    #[test]
    fn the_environment_is_read_in_both_cases_and_the_first_that_is_set_counts() {
        let shown = |variables: &[(&str, &str)]| {
            let proxy = environment(variables);
            let target = GatewayUrl::configured("wss://gateway.example").unwrap();
            let route = proxy.route(&target).unwrap().map(ToString::to_string);
            route.unwrap_or_default()
        };
        let all = [
            ("https_proxy", "a"),
            ("HTTPS_PROXY", "b"),
            ("all_proxy", "socks5://c"),
            ("ALL_PROXY", "d"),
        ];
        assert_eq!(shown(&all), "http://a:80");
        assert_eq!(shown(&all[1..]), "http://b:80");
        assert_eq!(shown(&all[2..]), "socks5h://c:1080");
        assert_eq!(shown(&all[3..]), "http://d:80");
        assert_eq!(shown(&[]), "");
        assert_eq!(
            shown(&[("https_proxy", " "), ("ALL_PROXY", "d")]),
            "http://d:80"
        );
        assert_eq!(shown(&[("HTTP_PROXY", "a"), ("http_proxy", "a")]), "");
        for name in ["no_proxy", "NO_PROXY"] {
            assert_eq!(shown(&[("https_proxy", "a"), (name, "x, example")]), "");
        }
    }

    #[test]
    fn a_bad_value_of_the_environment_is_fatal_only_where_it_would_be_used() {
        let proxy = environment(&[("ALL_PROXY", "socks4://CANARY@a"), ("no_proxy", "b")]);
        assert_eq!(proxy.problem(), None);
        assert!(!goes(&proxy, "wss://b") && !goes(&proxy, "ws://127.0.0.1:1"));
        let target = GatewayUrl::configured("wss://c").unwrap();
        let error = proxy.route(&target).err().unwrap();
        assert!(error.is_fatal());
        assert!(error.to_string().starts_with("ALL_PROXY: none of http://"));
    }

    #[test]
    fn this_machine_is_reached_through_a_proxy_only_where_one_here_was_set() {
        let from_here = environment(&[("all_proxy", "127.0.0.1:9")]);
        let elsewhere = Proxy::url("proxy.example:9");
        for target in ["ws://127.0.0.1:1", "ws://localhost", "wss://[::1]:8"] {
            assert!(!goes(&from_here, target) && !goes(&elsewhere, target));
            for here in ["127.0.0.1:9", "socks5://localhost", "http://[::1]:9"] {
                assert!(goes(&Proxy::url(here), target));
                assert!(!goes(&Proxy::url(here).except("*"), target));
            }
        }
        assert!(goes(&from_here, "wss://a") && goes(&elsewhere, "wss://a"));
        assert!(!goes(&Proxy::none(), "wss://a"));
    }

    #[test]
    fn exceptions_are_names_with_those_below_addresses_networks_and_ports() {
        for (list, hit, missed) in [
            ("*", "a.b", ""),
            (
                "example.com",
                "example.com x.example.com",
                "notexample.com example.com.x com",
            ),
            (
                ".example.com",
                "example.com x.y.example.com",
                "xexample.com",
            ),
            ("*.Example.COM", "x.example.com", "example.org"),
            ("a,b c\t,,d", "a b c d", "e ab"),
            (
                "example.com:8443",
                "example.com:8443",
                "example.com example.com:444",
            ),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4 x10.1.2.3.com"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1 a"),
            ("10.0.0.0/31", "10.0.0.1", "10.0.0.2"),
            ("0.0.0.0/0", "1.2.3.4", "[2001:db8::1] a"),
            ("10.1.2.3:80", "10.1.2.3:80", "10.1.2.3"),
            ("2001:db8::1", "[2001:db8::1]", "[2001:db8::2]"),
            ("[2001:db8::1]:8", "[2001:db8::1]:8", "[2001:db8::1]"),
            ("2001:db8::/32", "[2001:db8:1::1]", "[2001:db9::1] 10.0.0.1"),
            ("10.0.0.0/33,10.0.0.0/x,a:b,., [", "", "10.0.0.0 a"),
            ("", "", "a"),
        ] {
            let proxy = Proxy::url("proxy.example").except(list);
            for (targets, through) in [(hit, false), (missed, true)] {
                for target in targets.split_whitespace() {
                    assert_eq!(
                        goes(&proxy, &format!("wss://{target}")),
                        through,
                        "{list}: {target}"
                    );
                }
            }
        }
    }
}
