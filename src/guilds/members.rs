//! Who is in a guild? A request for members, and the answer put together, whatever comes between.

use std::{fmt, future::pending};

use tokio::{
    sync::oneshot,
    time::{Duration, Instant, sleep_until},
};

use super::answer::{Answer, Members};
use crate::{
    State,
    discord::{
        Discord, Event, RequestGuildMembers,
        model::{GuildMembersChunk, RateLimited},
    },
    error::{Error, ErrorKind},
    id::ShardId,
    shard::{Degraded, Health, Sender, Shard, ShardHandle, Status, Tap, Wanted, Watch},
};

/// Discord takes one request for all members of a guild in this time, and answers another with
/// `RATE_LIMITED`.
const FULL_APART: Duration = Duration::from_secs(30);
/// A request is sent so many times at most.
const TRIES_MAX: u32 = 4;
/// The opcode of the request, as `RATE_LIMITED` names it.
const OP: u64 = 8;

impl Shard<Discord> {
    /// Asks for members of a guild and puts the answer together.
    ///
    /// The future asks when it is first polled, and takes nothing of the shard: it may be awaited
    /// between events, beside them, or in another task. All of the answer comes as events as well
    /// (`GUILD_MEMBERS_CHUNK`), for who forwards them; an [event
    /// filter](crate::ConfigBuilder::event_filter) without them spares that, and changes nothing
    /// here.
    ///
    /// - The parts are known by a nonce, which is the request's own: one that was set is replaced.
    /// - Requests for all members of a guild are sent at least 30 seconds apart, and so is one
    ///   that Discord answers by `RATE_LIMITED`: it is sent again when Discord says.
    /// - When the connection is lost meanwhile, what the resume replays counts; a request that is
    ///   incomplete after it, or whose session is gone, is sent again. It is sent four times in
    ///   all at most.
    /// - Of a shard's requests, 16 are under way at a time; others wait. None holds more than
    ///   [`Limits::members_max`](crate::Limits::members_max) members, and 16 MiB
    ///   ([`Limits::buffered_bytes_max`](crate::Limits::buffered_bytes_max)) of what it was not
    ///   polled for.
    ///
    /// Events that nobody takes fill the shard's buffer, and then nothing is read, so that no
    /// answer comes either: for a guild of tens of thousands, take events meanwhile.
    ///
    /// # Errors
    ///
    /// The shard goes on after each of them.
    ///
    /// - [`ErrorKind::Command`], and nothing was sent: the bot lacks an [intent that the request
    ///   needs](RequestGuildMembers::intents), the guild is on another shard, or the shard has
    ///   ended.
    /// - [`ErrorKind::Unanswered`]: no part of the answer came for
    ///   [`Limits::answer`](crate::Limits::answer) since the last, since the request was sent, or
    ///   since there has been no session; or it was sent four times for nothing; or the answer is
    ///   longer than may be, or came faster than the future was polled. The time that a request
    ///   waits for others, or for the limit of all commands, does not count.
    /// - [`ErrorKind::Event`]: a part could not be decoded.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it gives up and leaves nothing behind. A request that was queued goes out, and
    /// its answer comes as events.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use shardstream::{Id, Shard, discord::RequestGuildMembers};
    ///
    /// # async fn run(mut shard: Shard) -> Result<(), shardstream::Error> {
    /// let request = RequestGuildMembers::query(Id::new(41771983423143937), "her", 10)?;
    /// let asking = shard.request_members(request);
    /// tokio::pin!(asking);
    /// let found = loop {
    ///     tokio::select! {
    ///         found = &mut asking => break found?,
    ///         event = shard.next_event() => println!("{event:?}"),
    ///     }
    /// };
    /// for member in &found.members {
    ///     println!("{:?}", member.nick);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn request_members(
        &self,
        request: RequestGuildMembers,
    ) -> impl Future<Output = Result<Members, Error>> + Send + use<> {
        self.handle().request_members(request)
    }
}

impl ShardHandle<Discord> {
    /// See [`Shard::request_members`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn request_members(
        &self,
        request: RequestGuildMembers,
    ) -> impl Future<Output = Result<Members, Error>> + Send + use<> {
        let handle = self.clone();
        async move { Asking::new(&handle, request).await?.run().await }
    }
}

/// One request that is under way.
struct Asking {
    request: RequestGuildMembers,
    sender: Sender<Discord>,
    watch: Watch,
    tap: Tap<Discord>,
    /// How long nothing may come.
    patience: Duration,
    retry_after_max: Duration,
    most: usize,
    /// What each nonce begins with; the number of the try follows.
    nonce: String,
    /// How often it was sent.
    sent: u32,
    /// It lies in the queue of the commands, which tells when it is taken from there.
    queued: Option<oneshot::Receiver<()>>,
    /// On which connection of the shard it was sent.
    connection: u64,
    /// There was a connection when it was last looked for.
    connected: bool,
    /// When it is to be sent next; `None` while its answer is waited for.
    due: Option<Instant>,
    /// When it has failed.
    deadline: Instant,
    /// What has come, and to which try.
    answer: Option<(u32, Answer)>,
}

impl Asking {
    async fn new(
        handle: &ShardHandle<Discord>,
        request: RequestGuildMembers,
    ) -> Result<Self, Error> {
        check(handle, &request)?;
        let nonce = nonce();
        let wanted = |name, holds| Wanted { name, holds };
        let tap = handle
            .tap(vec![
                wanted("GUILD_MEMBERS_CHUNK", format!("\"{nonce}")),
                wanted("RATE_LIMITED", request.guild_id().to_string()),
            ])
            .await?;
        let limits = handle.config().limits();
        let now = Instant::now();
        Ok(Self {
            sender: handle.sender(),
            watch: handle.watch(),
            tap,
            patience: limits.answer,
            retry_after_max: limits.retry_after_max,
            most: request.members_max().unwrap_or(limits.members_max),
            nonce,
            sent: 0,
            queued: None,
            connection: 0,
            connected: false,
            due: Some(now),
            deadline: now + limits.answer,
            answer: None,
            request,
        })
    }

    async fn run(mut self) -> Result<Members, Error> {
        loop {
            self.send().await?;
            let wake = self.wake();
            // What has come is looked at first: it came before whatever the status tells.
            tokio::select! {
                biased;
                event = self.tap.next() => {
                    self.hear(event?)?;
                    if let Some((_, answer)) = self.answer.take_if(|(_, has)| has.is_complete()) {
                        return Ok(answer.into_members());
                    }
                }
                taken = taken(&mut self.queued) => {
                    self.queued = None;
                    taken?;
                    self.connection = self.watch.status().counters.connects;
                    self.wait_for_answer();
                }
                status = self.watch.changed() => self.look(&status.ok_or_else(ended)?)?,
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    if Instant::now() >= self.deadline {
                        return Err(self.failed());
                    }
                }
            }
        }
    }

    /// When there is something to do, if nothing else happens.
    fn wake(&mut self) -> Option<Instant> {
        if !self.is_connected() {
            // The connection's coming is what wakes.
            return Some(self.deadline);
        }
        if self.queued.is_some() {
            // The queue goes on while there is a connection, as fast as the limit allows.
            return None;
        }
        Some(self.due.map_or(self.deadline, |due| due.min(self.deadline)))
    }

    /// Queues the request, if it is due and may be sent.
    async fn send(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.due.is_none_or(|due| due > now) || !self.is_connected() || self.put_off() {
            return Ok(());
        }
        let nonce = format!("{}{}", self.nonce, self.sent);
        let request = self.request.clone().nonce(nonce)?;
        let sender = self.sender.clone();
        let room = sender.reserve(&request);
        tokio::pin!(room);
        let room = loop {
            tokio::select! {
                biased;
                room = &mut room => break room?,
                status = self.watch.changed() => self.look(&status.ok_or_else(ended)?)?,
            }
            if !self.is_connected() {
                return Ok(());
            }
        };
        // Waiting for room may have taken long: whoever came first is served first.
        if self.put_off() {
            return Ok(());
        }
        if let Some(key) = self.spaced() {
            self.tap.book(key, FULL_APART);
        }
        self.queued = Some(room.send());
        self.sent += 1;
        self.wait_for_answer();
        Ok(())
    }

    /// Whether another request for all members of the guild is too short ago.
    fn put_off(&mut self) -> bool {
        let until = self.spaced().and_then(|key| self.tap.booked_until(key));
        if let Some(until) = until {
            self.send_at(until);
        }
        until.is_some()
    }

    /// What is asked about, where it may not be asked about often.
    fn spaced(&self) -> Option<u64> {
        let is_full = self.request.members_max().is_none();
        is_full.then(|| self.request.guild_id().get())
    }

    fn send_at(&mut self, at: Instant) {
        self.due = Some(at);
        self.deadline = at + self.patience;
    }

    fn wait_for_answer(&mut self) {
        self.due = None;
        self.deadline = Instant::now() + self.patience;
    }

    fn hear(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::GuildMembersChunk(part) => self.take(*part),
            Event::RateLimited(limited) => self.refused(&limited),
            _ => Ok(()),
        }
    }

    fn take(&mut self, part: GuildMembersChunk) -> Result<(), Error> {
        let Some(sent) = self.try_of(part.nonce.as_deref()) else {
            return Ok(());
        };
        // What a later try brings is newer and not to be mixed with what an earlier one brought.
        let known = self.answer.as_ref().map(|(known, _)| *known);
        if known.is_some_and(|known| known > sent) {
            return Ok(());
        }
        if known != Some(sent) {
            self.answer = Some((sent, Answer::new(self.request.guild_id(), self.most)));
        }
        let Some((_, answer)) = &mut self.answer else {
            return Ok(());
        };
        if !answer.add(part)? {
            return Ok(());
        }
        if sent + 1 == self.sent {
            // After a resume the answer goes on where it was, so that it need not be asked for
            // again.
            self.connection = self.watch.status().counters.connects;
            self.wait_for_answer();
        }
        Ok(())
    }

    fn refused(&mut self, limited: &RateLimited) -> Result<(), Error> {
        let meta = &limited.meta;
        let ours = match meta.nonce.as_deref() {
            Some(nonce) => self.try_of(Some(nonce)) == self.sent.checked_sub(1),
            // Only a full list has a limit of its own.
            None => self.spaced().is_some() && self.sent > 0,
        };
        let of_guild = meta.guild_id == Some(self.request.guild_id());
        if limited.opcode != OP || !of_guild || !ours || self.due.is_some() {
            return Ok(());
        }
        let asked = Duration::try_from_secs_f64(limited.retry_after).unwrap_or(FULL_APART);
        let pause = asked.min(self.retry_after_max);
        if let Some(key) = self.spaced() {
            self.tap.book(key, pause);
        }
        self.try_again("Discord refused it as too early each time")?;
        self.send_at(Instant::now() + pause);
        Ok(())
    }

    /// Which try a nonce is of, if it is one of ours.
    fn try_of(&self, nonce: Option<&str>) -> Option<u32> {
        let number = nonce?.strip_prefix(&*self.nonce)?.parse().ok()?;
        (number < self.sent).then_some(number)
    }

    /// Looks whether the connection that the request went out on is still there.
    fn look(&mut self, status: &Status) -> Result<(), Error> {
        if let Health::Dead { .. } = status.health {
            return Err(ended());
        }
        let other = status.counters.connects != self.connection;
        let waits = self.due.is_none() && self.queued.is_none();
        if waits && other && status.state == State::Active {
            // All that a resume replays has been heard by now.
            self.try_again("the connection was lost each time before the answer was complete")?;
            self.connection = status.counters.connects;
            self.send_at(Instant::now());
        }
        Ok(())
    }

    fn try_again(&self, why_not: &str) -> Result<(), Error> {
        if self.sent < TRIES_MAX {
            return Ok(());
        }
        let message = format!("members were asked for {TRIES_MAX} times, and {why_not}");
        Err(Error::new(ErrorKind::Unanswered, message))
    }

    /// Whether commands are sent now. Once they no longer are, patience begins anew.
    fn is_connected(&mut self) -> bool {
        let is_connected = self.watch.status().state == State::Active;
        if self.connected && !is_connected {
            self.deadline = self.deadline.max(Instant::now() + self.patience);
        }
        self.connected = is_connected;
        is_connected
    }

    /// Why nothing came in time.
    fn failed(&self) -> Error {
        let status = self.watch.status();
        let patience = self.patience;
        let mut message = match &self.answer {
            _ if status.state != State::Active => {
                format!("no answer came: the shard has had no session for {patience:?}")
            }
            Some((_, answer)) => {
                let (parts, count) = answer.progress();
                format!("{parts} of {count} parts of the answer came, and none for {patience:?}")
            }
            None => format!("no answer came within {patience:?}"),
        };
        if let Health::Degraded {
            why: Degraded::SlowConsumer,
            ..
        } = status.health
        {
            message.push_str("; nothing is read, because nobody takes the shard's events");
        }
        Error::new(ErrorKind::Unanswered, message)
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("guild_id", &self.request.guild_id())
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// Waits until the command is taken from the queue; for ever, where none lies there.
async fn taken(queued: &mut Option<oneshot::Receiver<()>>) -> Result<(), Error> {
    match queued {
        Some(queued) => queued.await.map_err(|_| ended()),
        None => pending().await,
    }
}

/// Whether Discord would answer the request at all.
fn check(handle: &ShardHandle<Discord>, request: &RequestGuildMembers) -> Result<(), Error> {
    let refused = |message| Err(Error::new(ErrorKind::Command, message));
    let missing = request.intents() - handle.config().platform().intents();
    if !missing.is_empty() {
        return refused(format!("the request needs the intents {missing:?}"));
    }
    let (guild, shard) = (request.guild_id(), handle.id());
    match ShardId::of_guild(guild, shard.total()) {
        Some(home) if home != shard => {
            refused(format!("guild {guild} is on shard {home}, not {shard}"))
        }
        _ => Ok(()),
    }
}

/// 24 characters that no other request begins its nonces with.
fn nonce() -> String {
    let [high, low] = [fastrand::u64(..), fastrand::u64(..)];
    format!("{high:016x}{:08x}", low >> 32)
}

fn ended() -> Error {
    Error::new(ErrorKind::Command, "the shard has ended")
}
