//! Who wants what? The registered handlers, by event.

use std::{
    collections::HashMap,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use compact_str::CompactString;
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;

use super::bot::Context;
use crate::{error::Error, notice::Notice, platform::Platform, shard::Frame};

/// A handler under way.
pub(super) type Work = BoxFuture<'static, ()>;

type Raw<P> = dyn Fn(Context<P>, Frame) -> Work + Send + Sync;
type Typed<P> = dyn Fn(Context<P>, <P as Platform>::Event) -> Work + Send + Sync;
pub(super) type OnError<P> = dyn Fn(Context<P>, Error) -> Work + Send + Sync;
pub(super) type OnNotice<P> = dyn Fn(Context<P>, Notice) -> Work + Send + Sync;

/// What is called for an event.
pub(super) enum Call<P: Platform> {
    Raw(Arc<Raw<P>>),
    Typed(Arc<Typed<P>>),
}

/// All that was registered.
pub(super) struct Calls<P: Platform> {
    by_name: HashMap<CompactString, Vec<Call<P>>>,
    /// For every event.
    any: Vec<Call<P>>,
    errors: Vec<Arc<OnError<P>>>,
    notices: Vec<Arc<OnNotice<P>>>,
}

impl<P: Platform> Call<P> {
    pub(super) fn raw<F, W>(handler: F) -> Self
    where
        F: Fn(Context<P>, Frame) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self::Raw(Arc::new(move |context, frame| {
            Box::pin(handler(context, frame))
        }))
    }

    pub(super) fn typed<F, W>(handler: F) -> Self
    where
        F: Fn(Context<P>, P::Event) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        Self::Typed(Arc::new(move |context, event| {
            Box::pin(handler(context, event))
        }))
    }

    /// Decodes in the handler's task, into a type of the user.
    pub(super) fn parsed<T, F, W>(handler: F) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(Context<P>, T) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(handler);
        Self::raw(move |context: Context<P>, frame: Frame| {
            let handler = Arc::clone(&handler);
            async move {
                match frame.parse::<T>() {
                    Ok(data) => handler(context, data).await,
                    Err(error) => context.failed(error).await,
                }
            }
        })
    }

    /// The work of the handler; `Err` where the event cannot be decoded for it.
    pub(super) fn work(&self, context: Context<P>, frame: &Frame) -> Result<Work, Error> {
        Ok(match self {
            Self::Raw(handler) => handler(context, frame.clone()),
            Self::Typed(handler) => handler(context, frame.decode::<P>()?),
        })
    }
}

/// A handler whose call does not panic: what panics before its first await does so when the work
/// is polled, where that is caught.
pub(super) fn caught<P, T, F, W>(handler: F) -> Arc<dyn Fn(Context<P>, T) -> Work + Send + Sync>
where
    P: Platform,
    F: Fn(Context<P>, T) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |context, what| {
        let made = panic::catch_unwind(AssertUnwindSafe(|| handler(context, what)));
        match made {
            Ok(work) => Box::pin(work),
            Err(payload) => Box::pin(async { panic::resume_unwind(payload) }),
        }
    })
}

impl<P: Platform> Calls<P> {
    pub(super) fn on(&mut self, name: &str, call: Call<P>) {
        self.by_name.entry(name.into()).or_default().push(call);
    }

    pub(super) fn on_any(&mut self, call: Call<P>) {
        self.any.push(call);
    }

    pub(super) fn on_error(&mut self, call: Arc<OnError<P>>) {
        self.errors.push(call);
    }

    pub(super) fn on_notice(&mut self, call: Arc<OnNotice<P>>) {
        self.notices.push(call);
    }

    /// Those for the event that the wire calls `name`.
    pub(super) fn of(&self, name: &str) -> impl Iterator<Item = &Call<P>> {
        self.by_name
            .get(name)
            .into_iter()
            .flatten()
            .chain(&self.any)
    }

    pub(super) fn errors(&self) -> &[Arc<OnError<P>>] {
        &self.errors
    }

    pub(super) fn notices(&self) -> &[Arc<OnNotice<P>>] {
        &self.notices
    }
}

impl<P: Platform> Default for Calls<P> {
    fn default() -> Self {
        Self {
            by_name: HashMap::new(),
            any: Vec::new(),
            errors: Vec::new(),
            notices: Vec::new(),
        }
    }
}
