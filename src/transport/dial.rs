//! Which address answers? Name lookup and TCP, all addresses of a name raced.

use std::{
    collections::HashMap,
    fmt, future, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
    stream::FuturesUnordered,
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::io::Duplex;
use crate::limits::Limits;

/// Opens the byte stream below TLS and WebSocket.
///
/// The default dials TCP. A test may hand out in-memory pipes; a user may go through a tunnel.
pub trait Dial: fmt::Debug + Send + Sync + 'static {
    /// A stream to `host` and `port`.
    ///
    /// The whole attempt to connect, this included, is bounded by [`Limits::connect`].
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the time is over, or nobody wants the connection any more: the
    /// attempt is then to be given up.
    fn dial(
        &self,
        host: &str,
        port: u16,
        limits: &Limits,
    ) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>>;
}

/// A name's addresses, or why there are none (in an `Arc`, to be shared).
type Found = Result<Arc<[SocketAddr]>, Arc<io::Error>>;
type Lookup = Shared<BoxFuture<'static, Found>>;

/// The lookups under way. A resolver that hangs blocks a thread for as long as it likes; so each
/// name is asked for once at a time, however many shards want it and however often they give up.
#[derive(Clone, Default)]
pub(super) struct Lookups(Arc<Mutex<HashMap<(String, u16), Lookup>>>);

impl Lookups {
    /// The addresses of a name, in the order in which to try them.
    pub(super) async fn find(
        &self,
        host: &str,
        port: u16,
        limits: &Limits,
    ) -> io::Result<Arc<[SocketAddr]>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok([SocketAddr::new(address, port)].into());
        }
        let name = host.to_owned();
        self.find_with(host, port, limits.connect_address, async move {
            let found = tokio::net::lookup_host((name, port)).await?;
            Ok(found.collect())
        })
        .await
    }

    async fn find_with(
        &self,
        host: &str,
        port: u16,
        deadline: Duration,
        ask: impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    ) -> io::Result<Arc<[SocketAddr]>> {
        let key = (host.to_owned(), port);
        let lookup = {
            let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || {
                let answer = ask.map(|found| match found {
                    Ok(found) if found.is_empty() => {
                        Err(Arc::new(io::Error::other("the name has no address")))
                    }
                    Ok(found) => Ok(interleave(found).into()),
                    Err(error) => Err(Arc::new(error)),
                });
                answer.boxed().shared()
            };
            running.entry(key.clone()).or_insert_with(fresh).clone()
        };
        let found = timeout(deadline, lookup.clone())
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the resolver did not answer"))?;
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The next caller asks anew; the resolver has its own cache.
        if running.get(&key).is_some_and(|other| other.ptr_eq(&lookup)) {
            running.remove(&key);
        }
        drop(running);
        found.map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookups")
    }
}

/// RFC 8305 section 4: families take turns, starting with that of the first address, so that a
/// broken one of them costs one step and not one for each of its addresses.
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (same, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_v6);
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut mixed = Vec::with_capacity(same.len() + other.len());
    loop {
        let (a, b) = (same.next(), other.next());
        if a.is_none() && b.is_none() {
            return mixed;
        }
        mixed.extend(a.into_iter().chain(b));
    }
}

/// A TCP connection to the first of the addresses that answers.
pub(super) async fn tcp(addresses: &[SocketAddr], limits: &Limits) -> io::Result<TcpStream> {
    let stream = race(addresses, limits, TcpStream::connect).await?;
    // Commands and heartbeats are small, and late when they wait for company.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// RFC 8305 section 5: the next address is tried when the last one failed, or beside it when it
/// is slow; the first success ends the others.
async fn race<T, C>(
    addresses: &[SocketAddr],
    limits: &Limits,
    connect: impl Fn(SocketAddr) -> C,
) -> io::Result<T>
where
    C: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.iter();
    let mut running = FuturesUnordered::new();
    let mut first_error = None;
    let start = |address: &SocketAddr| timeout(limits.connect_address, connect(*address));
    running.extend(waiting.next().map(start));
    loop {
        let more = !waiting.as_slice().is_empty();
        let stagger = async {
            if more {
                sleep(limits.connect_stagger).await;
            } else {
                future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = running.next() => match ended {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => {
                    first_error.get_or_insert(error);
                    running.extend(waiting.next().map(start));
                }
                Some(Err(_)) => {
                    first_error.get_or_insert_with(|| io::ErrorKind::TimedOut.into());
                    running.extend(waiting.next().map(start));
                }
                None => {
                    let none = || io::Error::other("the name has no address");
                    return Err(first_error.unwrap_or_else(none));
                }
            },
            () = stagger => running.extend(waiting.next().map(start)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        future, io,
        net::SocketAddr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use tokio::time::{Instant, sleep};

    use super::{Lookups, interleave, race, tcp};
    use crate::limits::Limits;

    fn addresses(n: u8) -> Vec<SocketAddr> {
        (1..=n)
            .map(|n| SocketAddr::from(([127, 0, 0, n], 1)))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_a_quarter_of_a_second() {
        let start = Instant::now();
        let won = race(&addresses(2), &Limits::default(), |address| async move {
            if address.ip().to_string() == "127.0.0.1" {
                future::pending::<()>().await;
            }
            Ok(address)
        })
        .await;
        assert_eq!(won.unwrap().ip().to_string(), "127.0.0.2");
        assert_eq!(start.elapsed(), Duration::from_millis(250));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_first_address_still_wins_over_a_dead_second() {
        let start = Instant::now();
        let won = race(&addresses(2), &Limits::default(), |address| async move {
            if address.ip().to_string() == "127.0.0.2" {
                future::pending::<()>().await;
            }
            sleep(Duration::from_secs(2)).await;
            Ok(address)
        })
        .await;
        assert_eq!(won.unwrap().ip().to_string(), "127.0.0.1");
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_address_at_once_and_the_first_error_is_told() {
        let tried = RefCell::new(Vec::new());
        let start = Instant::now();
        let lost: io::Result<()> = race(&addresses(3), &Limits::default(), |address| {
            tried.borrow_mut().push(address);
            let kind = match tried.borrow().len() {
                1 => io::ErrorKind::ConnectionRefused,
                _ => io::ErrorKind::NetworkUnreachable,
            };
            async move { Err(kind.into()) }
        })
        .await;
        assert_eq!(lost.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(*tried.borrow(), addresses(3));
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn dead_addresses_end_three_seconds_after_their_start() {
        let start = Instant::now();
        let lost: io::Result<()> =
            race(&addresses(3), &Limits::default(), |_| future::pending()).await;
        assert_eq!(lost.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed(), Duration::from_millis(3500));
    }

    #[tokio::test]
    async fn no_address_is_an_error() {
        let lost = tcp(&[], &Limits::default()).await;
        assert!(lost.unwrap_err().to_string().contains("no address"));
    }

    /// Goal: a thousand shards and their retries block one thread, not a thousand.
    #[tokio::test(start_paused = true)]
    async fn a_lookup_under_way_is_shared_and_given_up_after_three_seconds() {
        let (lookups, asked) = (Lookups::default(), Arc::new(AtomicUsize::new(0)));
        let find = |delay: u64| {
            let asked = Arc::clone(&asked);
            lookups.find_with("name", 1, Duration::from_secs(3), async move {
                asked.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(delay)).await;
                Ok(addresses(1))
            })
        };
        let start = Instant::now();
        for found in futures::future::join_all((0..1000).map(|_| find(4))).await {
            assert_eq!(found.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        assert_eq!(start.elapsed(), Duration::from_secs(3));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // The same lookup answers a second later; after that the name is asked for anew.
        assert_eq!(*find(0).await.unwrap(), *addresses(1));
        assert_eq!(start.elapsed(), Duration::from_secs(4));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(find(0).await.is_ok());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_fails_is_told_and_asked_anew() {
        let lookups = Lookups::default();
        let second = Duration::from_secs(1);
        let refuse = async { Err(io::Error::other("no such name")) };
        let error = lookups.find_with("name", 1, second, refuse).await;
        assert_eq!(error.unwrap_err().to_string(), "no such name");
        let none = async { Ok(Vec::new()) };
        assert!(lookups.find_with("name", 1, second, none).await.is_err());
        let good = async { Ok(addresses(1)) };
        assert!(lookups.find_with("name", 1, second, good).await.is_ok());
    }

    #[tokio::test]
    async fn an_address_needs_no_lookup() {
        let lookups = Lookups::default();
        let found = lookups.find("::1", 7, &Limits::default()).await.unwrap();
        assert_eq!(
            found.first().map(ToString::to_string).as_deref(),
            Some("[::1]:7")
        );
    }

    #[test]
    fn address_families_take_turns() {
        let parse = |text: &str| -> Vec<SocketAddr> {
            text.split(' ')
                .map(|address| address.parse().unwrap())
                .collect()
        };
        assert_eq!(
            interleave(parse("[::1]:1 [::2]:1 [::3]:1 1.1.1.1:1 2.2.2.2:1")),
            parse("[::1]:1 1.1.1.1:1 [::2]:1 2.2.2.2:1 [::3]:1")
        );
    }
}
