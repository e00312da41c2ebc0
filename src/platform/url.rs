//! Which urls may a token be sent to?

use std::{fmt, net::IpAddr, slice};

use http::Uri;

/// The longest url that is looked at; real ones are below 100 bytes.
const LEN_MAX: usize = 2048;

/// A gateway address that a token may be sent to: `wss://` anywhere it was configured, or
/// `ws://` on this machine.
///
/// It has a host, perhaps a port and a path, and neither user information, query nor fragment.
/// The query that a platform wants is added when dialling.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GatewayUrl {
    tls: bool,
    /// Lower case; an IPv6 address without its brackets.
    host: String,
    port: u16,
    /// Starts with `/`.
    path: String,
}

/// Why a url is not used. Never holds the url, which may be hostile text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It is not a url, or has parts that a gateway url has not.
    Malformed,
    /// It is neither `wss://` nor `ws://` to this machine.
    Insecure,
    /// Its host or port is not one that the platform's gateway may have.
    NotAllowed,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a plain gateway url (scheme, host, perhaps port and path)",
            Self::Insecure => "neither wss:// nor ws:// to a loopback address",
            Self::NotAllowed => "not a host or port of the platform's gateway",
        })
    }
}

impl std::error::Error for UrlError {}

impl GatewayUrl {
    /// A url from the configuration: any host with TLS, this machine without.
    ///
    /// # Errors
    ///
    /// The text is not a gateway url, or would send the token unprotected over a network.
    ///
    /// ```
    /// use shardstream::platform::{GatewayUrl, UrlError};
    /// assert!(GatewayUrl::configured("wss://gateway.discord.gg").is_ok());
    /// assert!(GatewayUrl::configured("ws://127.0.0.1:9000").is_ok());
    /// assert_eq!(GatewayUrl::configured("ws://example.com"), Err(UrlError::Insecure));
    /// ```
    pub fn configured(text: &str) -> Result<Self, UrlError> {
        if text.is_empty() || text.len() > LEN_MAX || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UrlError::Malformed);
        }
        // `Uri` drops a fragment silently and has no opinion on backslashes and escapes.
        if text.contains(['#', '?', '@', '\\', '%']) {
            return Err(UrlError::Malformed);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let tls = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(UrlError::Malformed),
        };
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        let named = authority.host().to_ascii_lowercase();
        let inner = named.strip_prefix('[');
        let inner = inner.and_then(|rest| rest.strip_suffix(']'));
        let host = inner.unwrap_or(&named).to_owned();
        // Brackets are around addresses with colons, and around nothing else.
        if !is_host(&host) || host.contains(':') != inner.is_some() {
            return Err(UrlError::Malformed);
        }
        // `Uri` takes `host:`, `host:99999` and `host:[]:443` for a host with a port or without.
        let behind = authority.as_str().strip_prefix(authority.host());
        let port = match behind.map(|behind| behind.split_once(':')) {
            Some(Some(("", port))) if port.bytes().all(|b| b.is_ascii_digit()) => {
                port.parse().map_err(|_| UrlError::Malformed)?
            }
            Some(None) if behind == Some("") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            _ => return Err(UrlError::Malformed),
        };
        if port == 0 {
            return Err(UrlError::Malformed);
        }
        let url = Self {
            tls,
            host,
            port,
            path: uri.path().to_owned(),
        };
        if !tls && !url.is_loopback() {
            return Err(UrlError::Insecure);
        }
        Ok(url)
    }

    /// A url that a server named (`resume_gateway_url`, discovery): only where the token goes
    /// anyway.
    ///
    /// That is TLS on port 443 of a host that is `base`'s, or is or lies below one of `hosts`.
    /// Where `base` is this machine, any address of this machine is allowed as well.
    ///
    /// # Errors
    ///
    /// The text is not a gateway url, or names another place.
    pub fn discovered(text: &str, base: &Self, hosts: &[&str]) -> Result<Self, UrlError> {
        Self::discovered_by(text, slice::from_ref(base), hosts)
    }

    /// As [`discovered`](Self::discovered), where several places were configured: the gateway,
    /// and a REST base on this machine.
    pub(crate) fn discovered_by(
        text: &str,
        bases: &[Self],
        hosts: &[&str],
    ) -> Result<Self, UrlError> {
        let url = Self::configured(text)?;
        if url.is_loopback() {
            return if bases.iter().any(Self::is_loopback) {
                Ok(url)
            } else {
                Err(UrlError::NotAllowed)
            };
        }
        let below = |host: &&str| {
            url.host
                .strip_suffix(*host)
                .is_some_and(|front| front.is_empty() || front.ends_with('.'))
        };
        let known =
            |base: &Self| url.host == base.host && (url.port == base.port || url.port == 443);
        if bases.iter().any(known) || (url.port == 443 && hosts.iter().any(below)) {
            Ok(url)
        } else {
            Err(UrlError::NotAllowed)
        }
    }

    /// Whether the connection is made with TLS.
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host's name or address, in lower case and without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 443 with TLS and 80 without where the url names none.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path, `/` at least.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether this names an address of this very machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback())
    }
}

/// A name of letters, digits, hyphens and inner dots, or an IP address.
fn is_host(host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    host.len() <= 253
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        // `127.1` and `0x7f.1` are addresses to some resolvers and names to us: refused.
        && host.rsplit('.').next().is_some_and(|last| {
            last.bytes().any(|b| b.is_ascii_alphabetic()) && !last.starts_with("0x")
        })
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        let default = if self.tls { 443 } else { 80 };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]", self.host)?;
        } else {
            write!(f, "{scheme}://{}", self.host)?;
        }
        if self.port != default {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl fmt::Debug for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::{GatewayUrl, UrlError};

    const HOSTS: &[&str] = &["discord.gg"];

    fn base() -> GatewayUrl {
        GatewayUrl::configured("wss://gateway.discord.gg").unwrap()
    }

    #[test]
    fn urls_that_discord_gives_are_taken() {
        for good in [
            "wss://gateway.discord.gg",
            "wss://gateway.discord.gg/",
            "wss://gateway-us-east1-c.discord.gg",
            "wss://gateway-us-east1-c.discord.gg:443",
            "WSS://GATEWAY.DISCORD.GG",
            "wss://discord.gg",
        ] {
            assert!(
                GatewayUrl::discovered(good, &base(), HOSTS).is_ok(),
                "{good}"
            );
        }
    }

    /// Forms that parsers disagree on, and hosts that are not the platform's.
    const HOSTILE: [&str; 58] = [
        "",
        " ",
        "ws://gateway.discord.gg",
        "http://gateway.discord.gg",
        "https://gateway.discord.gg",
        "ftp://gateway.discord.gg",
        "gateway.discord.gg",
        "//gateway.discord.gg",
        "wss:gateway.discord.gg",
        "wss:/gateway.discord.gg",
        "wss:///gateway.discord.gg",
        "wss://",
        "wss://.",
        "wss://.discord.gg",
        "wss://discord.gg.evil.io",
        "wss://evildiscord.gg",
        "wss://evil.io",
        "wss://evil.io/.discord.gg",
        "wss://evil.io#.discord.gg",
        "wss://evil.io?.discord.gg",
        "wss://evil.io\\.discord.gg",
        "wss://evil.io\\@gateway.discord.gg",
        "wss://gateway.discord.gg@evil.io",
        "wss://user@gateway.discord.gg",
        "wss://user:pass@gateway.discord.gg",
        "wss://gateway.discord.gg:444",
        "wss://gateway.discord.gg:0",
        "wss://gateway.discord.gg:",
        "wss://gateway.discord.gg:99999",
        "wss://gateway.discord.gg:443:443",
        "wss://gateway.discord.gg:[]:443",
        "wss://gateway.discord.gg:+443",
        "wss://[gateway.discord.gg]",
        "wss://[127.0.0.1]",
        "wss://::1",
        "wss://gateway.discord.gg.",
        "wss://gateway..discord.gg",
        "wss://gateway%2ediscord.gg",
        "wss://evil.io%00.discord.gg",
        "wss://gateway.discord.gg/?token=1",
        "wss://gateway.discord.gg/#x",
        "wss://gateway.discord.gg\r\nHost: evil.io",
        "wss://gateway.discord.gg\t",
        "\u{feff}wss://gateway.discord.gg",
        "wss://gateway.disc\u{43e}rd.gg",
        "wss://xn--discrd-9ve.gg",
        "wss://gateway。discord。gg",
        "wss://127.0.0.1",
        "ws://127.0.0.1",
        "wss://[::1]",
        "wss://localhost",
        "wss://192.168.0.1",
        "wss://8.8.8.8",
        "wss://2130706433",
        "wss://0x7f.1",
        "wss://127.1",
        "wss://[::ffff:127.0.0.1]",
        "wss://gateway_x.discord.gg",
    ];

    /// Goal: READY cannot send the token anywhere else. Method: forms that parsers disagree on.
    #[test]
    fn hostile_urls_are_refused() {
        let long = format!("wss://{}.discord.gg", "a".repeat(64 << 10));
        let label = format!("wss://{}.discord.gg", "a".repeat(64));
        let hostile = HOSTILE.into_iter().chain([&*label, &*long]);
        for url in hostile {
            let shown: String = url.chars().take(60).collect();
            assert!(
                GatewayUrl::discovered(url, &base(), HOSTS).is_err(),
                "{shown}"
            );
        }
    }

    #[test]
    fn this_machine_may_name_only_itself_and_the_platform() {
        let base = GatewayUrl::configured("ws://127.0.0.1:9000").unwrap();
        for good in [
            "ws://127.0.0.1:9001",
            "ws://localhost:1",
            "ws://[::1]:7",
            "ws://127.1.2.3",
            "wss://gateway.discord.gg",
        ] {
            assert!(GatewayUrl::discovered(good, &base, HOSTS).is_ok(), "{good}");
        }
        for bad in ["ws://10.0.0.1", "wss://evil.io", "ws://0.0.0.0"] {
            assert!(GatewayUrl::discovered(bad, &base, HOSTS).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_of_several_bases_on_this_machine_is_enough() {
        let bases = |texts: &[&str]| -> Vec<_> {
            let parsed = texts.iter().map(|text| GatewayUrl::configured(text));
            parsed.map(Result::unwrap).collect()
        };
        let url = "ws://127.0.0.1:7";
        let both = bases(&["wss://gateway.discord.gg", "ws://127.0.0.1:9000"]);
        assert!(GatewayUrl::discovered_by(url, &both, HOSTS).is_ok());
        let far = bases(&["wss://gateway.discord.gg"]);
        for bases in [&far[..], &[]] {
            assert!(GatewayUrl::discovered_by(url, bases, HOSTS).is_err());
            assert!(GatewayUrl::discovered_by("wss://discord.gg", bases, HOSTS).is_ok());
        }
    }

    #[test]
    fn a_configured_url_may_be_any_host_but_never_plain_beyond_this_machine() {
        assert!(GatewayUrl::configured("wss://proxy.example:8443/path").is_ok());
        for plain in [
            "ws://example.com",
            "ws://10.0.0.1",
            "ws://localhost.evil.io",
        ] {
            assert_eq!(
                GatewayUrl::configured(plain),
                Err(UrlError::Insecure),
                "{plain}"
            );
        }
        let shown = GatewayUrl::configured("WSS://[::1]:8443/a").unwrap();
        assert_eq!(shown.to_string(), "wss://[::1]:8443/a");
        assert_eq!(shown.host(), "::1");
    }

    #[test]
    fn a_configured_port_is_kept_for_urls_on_the_same_host() {
        let base = GatewayUrl::configured("wss://proxy.example:8443").unwrap();
        assert!(GatewayUrl::discovered("wss://proxy.example:8443", &base, HOSTS).is_ok());
        assert!(GatewayUrl::discovered("wss://proxy.example", &base, HOSTS).is_ok());
        assert!(GatewayUrl::discovered("wss://proxy.example:8444", &base, HOSTS).is_err());
    }

    #[test]
    fn a_configured_url_is_read_into_its_parts() {
        for (text, tls, host, port, path) in [
            ("wss://a.example", true, "a.example", 443, "/"),
            ("ws://localhost", false, "localhost", 80, "/"),
            ("wss://a.example:80/x/y", true, "a.example", 80, "/x/y"),
            ("ws://127.0.0.1:443", false, "127.0.0.1", 443, "/"),
            ("wss://[2001:DB8::1]", true, "2001:db8::1", 443, "/"),
            ("ws://[::1]/x", false, "::1", 80, "/x"),
            (
                "wss://a-1.b-2.example:65535",
                true,
                "a-1.b-2.example",
                65_535,
                "/",
            ),
        ] {
            let url = GatewayUrl::configured(text).unwrap();
            assert_eq!((url.is_tls(), url.host()), (tls, host), "{text}");
            assert_eq!((url.port(), url.path()), (port, path), "{text}");
        }
    }

    #[test]
    fn a_url_is_shown_without_the_port_that_goes_without_saying() {
        for (text, shown) in [
            ("wss://a.example:443", "wss://a.example/"),
            ("wss://a.example:80", "wss://a.example:80/"),
            ("ws://localhost:80/x", "ws://localhost/x"),
            ("ws://localhost:443", "ws://localhost:443/"),
            ("wss://[::1]:443", "wss://[::1]/"),
        ] {
            let url = GatewayUrl::configured(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(GatewayUrl::configured(shown).as_ref(), Ok(&url));
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told() {
        for (error, word) in [
            (UrlError::Malformed, "plain"),
            (UrlError::Insecure, "wss://"),
            (UrlError::NotAllowed, "platform"),
        ] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn lengths_are_taken_up_to_their_limits() {
        let label = "a".repeat(63);
        let name = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(name.len(), 253);
        let path = "p".repeat(super::LEN_MAX - "wss://a.example/".len());
        for (good, bad) in [
            (
                format!("wss://a.example/{path}"),
                format!("wss://a.example/{path}p"),
            ),
            (format!("wss://{name}"), format!("wss://{name}a")),
            (
                format!("wss://{label}.example"),
                format!("wss://{label}a.example"),
            ),
        ] {
            assert!(GatewayUrl::configured(&good).is_ok(), "{}", good.len());
            let refused = Err(UrlError::Malformed);
            assert_eq!(GatewayUrl::configured(&bad), refused, "{}", bad.len());
        }
    }

    /// Where any host is allowed, what only looks like one is refused all the same.
    #[test]
    fn what_only_looks_like_a_host_is_refused_from_the_configuration_too() {
        for bad in [
            "wss://a_b.example",
            "wss://.example",
            "wss://a..example",
            "wss://a.example.",
            "wss://127.1",
            "wss://2130706433",
            "wss://0x7f.1",
            "wss://0x7f000001",
            "wss://a.0xff",
            "wss://a.example:0",
            "wss://a.example/\u{e9}",
            "wss://a.example/\u{7f}",
            "ws://127.1",
        ] {
            assert_eq!(
                GatewayUrl::configured(bad),
                Err(UrlError::Malformed),
                "{bad}"
            );
        }
    }
}
