//! How does the driver connect? It waits its turn among the shards that do, dials, and gives the
//! turn back once the server's Hello was answered.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use super::Driver;
use crate::{
    error::{Error, ErrorKind},
    observe::{self, Measure},
    platform::Platform,
    session::{Endpoint, Input, Lost, State, Timer},
    shard::{link::Link, tape::Taped},
    transport::ConnectError,
};

impl<P: Platform> Driver<P> {
    /// Connects, or waits for a place to.
    pub(super) fn dial(&mut self, now: Instant, endpoint: Endpoint) {
        self.close_link();
        let handshakes = self.config().handshakes();
        if let Some(place) = handshakes.try_enter() {
            self.place = Some(place);
            self.open(&endpoint);
            return;
        }
        self.link = Link::Queued(endpoint, handshakes.enter());
        let _internal = self.session.handle(now, Input::DialQueued);
    }

    /// Begins to connect.
    fn open(&mut self, endpoint: &Endpoint) {
        let config = self.config();
        let url = match endpoint {
            Endpoint::Base => config.gateway_url(),
            Endpoint::Resume(url) => Some(url),
        };
        let query = config.platform().url_query(config.compression());
        self.link = match url {
            Some(url) => {
                observe::connecting(url);
                Link::dial(config.connector(), url.clone(), query)
            }
            // One that cannot be used would have ended the shard before it began.
            None => Link::discover(config, query),
        };
    }

    /// Gives the place back once the handshake is over: with RESUME on its way, or the shard in the
    /// queue of those that identify. Whoever waits there, or for a replay, takes up no place.
    pub(super) fn leave_place(&mut self) {
        let state = self.session.state();
        if !matches!(state, State::AwaitConnection | State::AwaitHello) {
            self.place = None;
        }
    }

    /// Drops the connection, or the attempt to make one.
    pub(super) fn hang_up(&mut self) {
        if let (Link::Dialling(dialling), Some(Timer::Connect)) = (&self.link, self.judging) {
            let patience = self.config().limits().connect;
            let message = match &dialling.url {
                Some(url) => {
                    let (host, port) = (url.host(), url.port());
                    let way = self.config().connector().way(url);
                    format!("no connection to {host}:{port}{way} within {patience:?}")
                }
                None => "no gateway was found and connected to in time".to_owned(),
            };
            let error = Error::new(ErrorKind::Connect, message);
            observe::connect_failed(&error, None);
            self.meter.take(&Measure::ConnectFailed);
            self.writer.fail(error, self.cursor);
        }
        self.close_link();
    }

    pub(super) fn poll_dial(&mut self, cx: &mut Context<'_>, now: Instant) {
        if let Poll::Ready((endpoint, place)) = self.link.poll_queue(cx) {
            self.place = Some(place);
            self.open(&endpoint);
            let _internal = self.session.handle(now, Input::DialBegun);
        }
        let Poll::Ready(result) = self.link.poll_dial(cx) else {
            return;
        };
        let place = self.place.take();
        self.close_link();
        let input = match result {
            Ok(socket) => {
                let config = self.config();
                self.link = Link::open(socket, config.compression(), config.limits());
                self.place = place;
                self.shown.connected_since = Some(now);
                let opened = Taped::Opened { midway: false };
                self.shared.tape.put(now, || opened);
                Input::Connected
            }
            Err(failed) => {
                let ConnectError {
                    status,
                    retry_after,
                    error,
                } = failed;
                observe::connect_failed(&error, status);
                self.meter.take(&Measure::ConnectFailed);
                if error.is_fatal() {
                    self.stop.get_or_insert(error);
                } else {
                    self.writer.fail(error, self.cursor);
                }
                Input::Lost(Lost::Connect {
                    status,
                    retry_after,
                })
            }
        };
        let _internal = self.session.handle(now, input);
        self.act(now);
    }
}
