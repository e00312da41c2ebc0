//! What does the driver hold? The connection and the permit, in whatever stage they are.

use std::{
    fmt,
    pin::pin,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, Either, FutureExt, select};

use super::{discovery, handshakes::Place};
use crate::{
    codec::inflate::{Inflate, Output},
    config::Config,
    credential::{CredentialError, TokenRequest},
    error::Error,
    id::ShardId,
    limits::Limits,
    platform::{Compression, GatewayUrl, Platform},
    queue::{Permit, Queue},
    secret::Token,
    session::Endpoint,
    transport::{ConnectError, Connector, Socket},
};

/// The connection.
pub(super) enum Link {
    None,
    /// No place to connect yet.
    Queued(Endpoint, BoxFuture<'static, Place>),
    Dialling(Dialling),
    Open(Box<Open>),
}

/// An attempt to connect.
pub(super) struct Dialling {
    /// Unknown where it is being discovered.
    pub(super) url: Option<GatewayUrl>,
    future: BoxFuture<'static, Result<Socket, ConnectError>>,
}

/// An open connection with what belongs to it alone.
pub(super) struct Open {
    pub(super) socket: Socket,
    pub(super) inflate: Option<Inflate>,
    /// Of a compressed message that has not all come yet.
    pub(super) partial: Output,
    /// Messages that could not be read since the last event with a name that could.
    pub(super) unreadable: u32,
}

impl Link {
    pub(super) fn dial(connector: &Connector, url: GatewayUrl, query: &'static str) -> Self {
        let connector = connector.clone();
        let target = url.clone();
        let future = async move { connector.connect(&target, query).await }.boxed();
        let url = Some(url);
        Self::Dialling(Dialling { url, future })
    }

    /// Asks where the gateway is first.
    pub(super) fn discover<P: Platform>(config: &Config<P>, query: &'static str) -> Self {
        let future = discovery::connect(config.clone(), query);
        Self::Dialling(Dialling { url: None, future })
    }

    pub(super) fn open(socket: Socket, compression: Compression, limits: &Limits) -> Self {
        let inflate = (compression != Compression::None)
            .then(|| Inflate::new(compression, limits.message_len_max, limits.inflated_len_max));
        Self::Open(Box::new(Open {
            socket,
            inflate,
            partial: Output::default(),
            unreadable: 0,
        }))
    }

    pub(super) fn poll_dial(&mut self, cx: &mut Context<'_>) -> Poll<Result<Socket, ConnectError>> {
        match self {
            Self::Dialling(dialling) => dialling.future.poll_unpin(cx),
            _ => Poll::Pending,
        }
    }

    /// The place that was waited for, and where to connect with it.
    pub(super) fn poll_queue(&mut self, cx: &mut Context<'_>) -> Poll<(Endpoint, Place)> {
        match self {
            Self::Queued(endpoint, place) => {
                place.poll_unpin(cx).map(|place| (endpoint.clone(), place))
            }
            _ => Poll::Pending,
        }
    }

    pub(super) fn opened(&mut self) -> Option<&mut Open> {
        match self {
            Self::Open(open) => Some(open),
            _ => None,
        }
    }

    /// Bytes read and written so far.
    pub(super) fn traffic(&self) -> (u64, u64) {
        match self {
            Self::Open(open) => open.socket.traffic(),
            _ => (0, 0),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Queued(..) => "Queued",
            Self::Dialling(_) => "Dialling",
            Self::Open(_) => "Open",
        })
    }
}

/// A permit to identify, a credential, or both.
pub(super) enum Grant {
    None,
    Waiting(BoxFuture<'static, Result<Granted, Refusal>>),
    /// For the IDENTIFY that is about to be sent; none for a RESUME.
    Held(Option<Permit>),
    /// Its IDENTIFY was handed to the socket and is not all written yet.
    Sending(Permit),
}

/// What was granted.
pub(super) struct Granted {
    pub(super) permit: Option<Permit>,
    pub(super) token: Token,
}

/// Why nothing was granted.
pub(super) struct Refusal(pub(super) CredentialError);

impl Grant {
    /// Asks for a permit where one is wanted, and then for the credential: a permit may take a
    /// day, and a credential expires.
    pub(super) fn ask<P: Platform>(
        config: &Config<P>,
        queue: Option<&dyn Queue>,
        shard: ShardId,
        request: TokenRequest,
    ) -> Self {
        let permit = queue.map(|queue| queue.acquire(shard));
        let source = config.source().clone();
        let config = config.clone();
        let future = async move {
            let permit = match permit {
                Some(permit) => {
                    discovery::refresh(&config).await;
                    let kept_fresh = pin!(discovery::keep_fresh(&config));
                    let permit = match select(permit, kept_fresh).await {
                        Either::Left((permit, _)) => permit,
                        Either::Right((never, _)) => match never {},
                    };
                    Some(permit.map_err(Refusal::of_queue)?)
                }
                None => None,
            };
            let token = source.token(request).await.map_err(Refusal)?;
            Ok(Granted { permit, token })
        };
        Self::Waiting(future.boxed())
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Granted, Refusal>> {
        match self {
            Self::Waiting(future) => future.poll_unpin(cx),
            _ => Poll::Pending,
        }
    }

    /// What is not needed any more goes back. An IDENTIFY that was on its way may have arrived.
    pub(super) fn give_back(&mut self) {
        match std::mem::replace(self, Self::None) {
            Self::Sending(permit) => permit.spend(),
            Self::None | Self::Waiting(_) | Self::Held(_) => {}
        }
    }

    /// The handshake was handed to the socket.
    pub(super) fn send(&mut self) {
        *self = match std::mem::replace(self, Self::None) {
            Self::Held(Some(permit)) | Self::Sending(permit) => Self::Sending(permit),
            Self::None | Self::Waiting(_) | Self::Held(None) => Self::None,
        };
    }

    /// All was written: the window of the bucket starts now.
    pub(super) fn sent(&mut self) {
        if let Self::Sending(_) = self {
            self.give_back();
        }
    }
}

impl Refusal {
    fn of_queue(error: Error) -> Self {
        Self(CredentialError::new(error, None))
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Waiting(_) => "Waiting",
            Self::Held(_) => "Held",
            Self::Sending(_) => "Sending",
        })
    }
}
