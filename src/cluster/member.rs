//! Who am I among the others, and what is mine? The lease of one member and what it runs under it.
//!
//! A member has one entry, which it renews, and each item (a shard) has one, which names the
//! member that owns it. All are written by compare-and-swap only. A member that does not renew is
//! given up by whoever sees it first, by deleting its entry at the revision that was seen; only
//! then is what it owned free. So of a renewal and a giving-up one fails, and who fails stops.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::BoxFuture, stream::BoxStream};
use tokio::{
    sync::watch,
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{self, MissedTickBehavior},
};

use super::{
    entry::{self, Beat, Owner},
    fence::{self, Sightings},
    lease::{self, Lease},
    link::{Change, Link, Wire, Written},
    plan::View,
};
use crate::{
    error::{Error, ErrorKind},
    observe,
};

/// So many items are claimed or released at a time: the lease is renewed in between.
const AT_ONCE: usize = 32;

/// What belongs to one life of a member: from joining until it leaves or is given up.
#[derive(Clone, Debug)]
pub(super) struct Tenancy {
    pub(super) me: String,
    pub(super) lease: Lease,
    pub(super) living: watch::Receiver<BTreeSet<String>>,
}

/// Runs an item until it is asked to stop; what it then has done is safe.
pub(super) type Run =
    Arc<dyn Fn(u32, watch::Receiver<bool>) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// What a member is to be.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// Before the keys of its group: one token.
    pub(super) group: String,
    pub(super) total: u32,
    pub(super) lease: Duration,
}

/// Waits until what runs is asked to stop.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Nobody is left who could ask: then it is to stop all the more.
    let _asked = stop.wait_for(|stop| *stop).await.is_ok();
}

/// How a life ended.
enum End {
    /// It was asked to leave, and has.
    Left,
    /// It has lost its lease.
    Fenced,
    /// It cannot go on.
    Failed(Error),
}

/// Takes part in a group until `until` is done, then leaves it politely. Each life runs its items
/// by what `household` makes for it.
pub(super) async fn take_part(
    link: &Link,
    role: &Role,
    household: impl Fn(Tenancy) -> Run,
    until: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut until = pin!(until);
    loop {
        let me = lease::fresh_name().map_err(|error| {
            let message = "a member of a cluster needs a name of its own";
            Error::new(ErrorKind::Configuration, message).with_source(error)
        })?;
        let (sender, living) = watch::channel(BTreeSet::from([me.clone()]));
        let joined = join(link, role, &me);
        let (wire, lease, revision) = tokio::select! {
            () = &mut until => return Ok(()),
            joined = joined => joined,
        };
        observe::cluster::joined(&role.group, &me);
        let run = household(Tenancy {
            me: me.clone(),
            lease: lease.clone(),
            living,
        });
        let mut member = Member {
            role,
            me,
            lease: lease.clone(),
            revision,
            beat: 0,
            view: View::default(),
            entries: BTreeMap::new(),
            sightings: Sightings::default(),
            is_complete: false,
            living: sender,
            run,
            tasks: JoinSet::new(),
            homes: BTreeMap::new(),
            failed: None,
        };
        let end = member.live(link, wire, until.as_mut()).await;
        lease.end();
        member.tasks.shutdown().await;
        match end {
            End::Left => return Ok(()),
            End::Failed(error) => return Err(error),
            End::Fenced => observe::cluster::fenced(&member.me),
        }
    }
}

/// Writes the entry of a new member.
async fn join(link: &Link, role: &Role, me: &str) -> (Wire, Lease, u64) {
    let key = format!("{}.member.{me}", role.group);
    loop {
        let wire = link.wire().await;
        let asked = Instant::now();
        match wire.write(&key, entry::write(&Beat { beat: 0 }), 0).await {
            Written::Done(revision) => return (wire, Lease::new(asked, role.lease), revision),
            // Nobody else has this name: an earlier attempt was written after all.
            Written::Conflict => {
                let asked = Instant::now();
                if let Ok(Some((_, revision))) = wire.read(&key).await
                    && let Written::Done(revision) = wire
                        .write(&key, entry::write(&Beat { beat: 0 }), revision)
                        .await
                {
                    return (wire, Lease::new(asked, role.lease), revision);
                }
            }
            Written::Unknown => wire.give_up(),
        }
        time::sleep(fence::pause(role.lease)).await;
    }
}

struct Member<'a> {
    role: &'a Role,
    me: String,
    lease: Lease,
    /// Of the member's own entry.
    revision: u64,
    beat: u64,
    view: View,
    /// The revision of each item's entry, which may be deleted or corrupt.
    entries: BTreeMap<u32, u64>,
    sightings: Sightings,
    /// Whether everything that was there at the beginning has been seen.
    is_complete: bool,
    living: watch::Sender<BTreeSet<String>>,
    run: Run,
    tasks: JoinSet<Result<(), Error>>,
    homes: BTreeMap<u32, Home>,
    failed: Option<Error>,
}

/// An item that runs here.
struct Home {
    stop: watch::Sender<bool>,
    task: AbortHandle,
}

impl Home {
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

impl Member<'_> {
    async fn live(
        &mut self,
        link: &Link,
        first: Wire,
        mut until: std::pin::Pin<&mut impl Future<Output = ()>>,
    ) -> End {
        let mut wires = link.watch();
        let mut wire = Some(first);
        let mut changes = self.look(wire.as_ref()).await;
        let mut ticks = time::interval(fence::pause(self.role.lease));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leaving = false;
        loop {
            tokio::select! {
                biased;
                () = &mut until, if !leaving => {
                    leaving = true;
                    for home in self.homes.values() {
                        home.stop.send_replace(true);
                    }
                }
                _ = ticks.tick() => {
                    if let Some(wire) = &wire
                        && !self.renew(wire).await
                    {
                        return End::Fenced;
                    }
                    self.give_up_others(wire.as_ref()).await;
                }
                seen = wires.changed() => {
                    if seen.is_err() {
                        std::future::pending::<()>().await;
                    }
                    wire.clone_from(&wires.borrow_and_update());
                    if let Some(wire) = &wire
                        && !self.renew(wire).await
                    {
                        return End::Fenced;
                    }
                    self.sightings.blind(Instant::now());
                    changes = self.look(wire.as_ref()).await;
                }
                Some(change) = changes.next() => {
                    if !self.hear(&change) {
                        return End::Fenced;
                    }
                }
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.ended(ended, wire.as_ref()).await;
                }
            }
            if let Some(error) = self.failed.take() {
                return End::Failed(error);
            }
            if leaving && self.homes.is_empty() {
                return self.leave(wire.as_ref()).await;
            }
            if let Some(wire) = wire.as_ref().filter(|_| !leaving) {
                self.do_todo(wire).await;
            }
        }
    }

    /// Watches the group from the beginning.
    async fn look(&mut self, wire: Option<&Wire>) -> BoxStream<'static, Change> {
        self.is_complete = false;
        let Some(wire) = wire else {
            return futures::stream::pending().boxed();
        };
        let changes = wire.watch(&format!("{}.>", self.role.group)).await;
        changes.unwrap_or_else(|_| {
            wire.give_up();
            futures::stream::pending().boxed()
        })
    }

    /// Renews the lease; `false` where it is lost.
    async fn renew(&mut self, wire: &Wire) -> bool {
        let key = self.key_of(&self.me);
        let asked = Instant::now();
        self.beat += 1;
        let beat = entry::write(&Beat { beat: self.beat });
        match wire.write(&key, beat, self.revision).await {
            Written::Done(revision) => {
                self.revision = revision;
                self.lease.renew(asked, self.role.lease);
                true
            }
            Written::Conflict => {
                // Perhaps by oneself, where an answer was lost: a beat of one's own says so.
                match wire.read(&key).await {
                    Ok(Some((text, revision))) if self.is_own(&text) => {
                        self.revision = revision;
                        true
                    }
                    Ok(_) => false,
                    Err(_) => {
                        wire.give_up();
                        true
                    }
                }
            }
            Written::Unknown => {
                wire.give_up();
                true
            }
        }
    }

    /// Nobody else writes a beat for this name, which is random; who gives it up deletes it.
    fn is_own(&self, text: &[u8]) -> bool {
        entry::read::<Beat>(text).is_some_and(|beat| beat.beat <= self.beat)
    }

    /// Deletes the entries of those whose lease has run out, as far as could be seen.
    async fn give_up_others(&mut self, wire: Option<&Wire>) {
        let Some(wire) = wire.filter(|_| self.lease.holds()) else {
            // Who cannot renew cannot see either.
            self.sightings.blind(Instant::now());
            return;
        };
        for (member, revision) in self.sightings.expired(Instant::now(), self.role.lease) {
            if wire.remove(&self.key_of(&member), revision).await {
                observe::cluster::given_up(&member);
                self.forget(&member);
            }
        }
    }

    fn forget(&mut self, member: &str) {
        self.sightings.forget(member);
        self.view.forget(member);
        self.tell_living();
    }

    fn tell_living(&self) {
        let members = &self.view.members;
        self.living.send_if_modified(|living| {
            let differs = living != members;
            living.clone_from(members);
            differs
        });
    }

    /// Takes note of a change; `false` where it says that this member is given up.
    fn hear(&mut self, change: &Change) -> bool {
        let rest = change.key.strip_prefix(&self.role.group);
        let rest = rest.and_then(|rest| rest.strip_prefix('.'));
        if let Some((kind, name)) = rest.and_then(|rest| rest.split_once('.')) {
            match kind {
                "member" if name == self.me => {
                    if change.value.is_none() && change.revision > self.revision {
                        return false;
                    }
                    self.view.members.insert(name.to_owned());
                    // Entries come in the order of their revisions, and this one is newer than all
                    // that was there when the member looked.
                    self.is_complete = true;
                }
                "member" => self.hear_of_member(name, change),
                "item" => self.hear_of_item(name, change),
                _ => {}
            }
        }
        self.tell_living();
        true
    }

    fn hear_of_member(&mut self, name: &str, change: &Change) {
        let Some(text) = &change.value else {
            return self.forget(name);
        };
        // Who finds its own entry corrupt is fenced. It has until its lease runs out, as one that
        // does not renew: what it owns is not free before that.
        if entry::read::<Beat>(text).is_none() {
            observe::cluster::corrupt(&change.key);
        }
        self.sightings.saw(name, change.revision, Instant::now());
        self.view.members.insert(name.to_owned());
    }

    fn hear_of_item(&mut self, name: &str, change: &Change) {
        let Ok(item) = name.parse::<u32>() else {
            return observe::cluster::corrupt(&change.key);
        };
        let known = self.entries.get(&item).copied().unwrap_or(0);
        if item >= self.role.total || change.revision <= known {
            return;
        }
        self.entries.insert(item, change.revision);
        let owner = change.value.as_deref().map(entry::read::<Owner>);
        if owner == Some(None) {
            observe::cluster::corrupt(&change.key);
        }
        match owner.flatten().and_then(|owner| owner.owner) {
            Some(owner) => self.view.owners.insert(item, owner),
            None => self.view.owners.remove(&item),
        };
        // Somebody wrote over what was this member's: it is not any more.
        if self.view.owners.get(&item) != Some(&self.me)
            && let Some(home) = self.homes.remove(&item)
        {
            home.task.abort();
        }
    }

    /// Claims and releases what the plan says, a few at a time.
    async fn do_todo(&mut self, wire: &Wire) {
        if !self.is_complete || !self.lease.holds() {
            return;
        }
        let todo = self.view.todo(self.role.total, &self.me);
        if !todo.ask.is_empty() {
            return self.ask_for(todo.ask, wire).await;
        }
        for item in todo.release {
            if let Some(home) = self.homes.get(&item) {
                home.stop
                    .send_if_modified(|stop| !std::mem::replace(stop, true));
            }
        }
        // What the bucket says is this member's, though it does not run: written by it, and the
        // answer was lost; or it has ended by itself.
        let mine = |item: &u32| self.view.owners.get(item) == Some(&self.me);
        let orphans: Vec<u32> = (0..self.role.total)
            .filter(|item| mine(item) && !self.homes.contains_key(item))
            .collect();
        let claims = todo.claim.iter().take(AT_ONCE).map(|item| {
            let revision = self.entries.get(item).copied().unwrap_or(0);
            let owner = Some(self.me.clone());
            let (key, value) = (self.key_of_item(*item), entry::write(&Owner { owner }));
            async move { (*item, wire.write(&key, value, revision).await) }
        });
        let claimed = futures::future::join_all(claims).await;
        for (item, written) in claimed {
            match written {
                Written::Done(revision) => {
                    self.entries.insert(item, revision);
                    self.view.owners.insert(item, self.me.clone());
                    self.start(item);
                }
                // The watch tells who was faster.
                Written::Conflict => {}
                Written::Unknown => return wire.give_up(),
            }
        }
        for item in orphans {
            self.start(item);
        }
    }

    /// Looks whether these live. One that is given up has no entry, and never has one again.
    async fn ask_for(&mut self, members: BTreeSet<String>, wire: &Wire) {
        for member in members.into_iter().take(AT_ONCE) {
            match wire.read(&self.key_of(&member)).await {
                Ok(Some((_, revision))) => {
                    self.sightings.saw(&member, revision, Instant::now());
                    self.view.members.insert(member);
                }
                Ok(None) => self.forget(&member),
                Err(_) => return wire.give_up(),
            }
        }
        self.tell_living();
    }

    fn start(&mut self, item: u32) {
        observe::cluster::claimed(item);
        let (stop, stopping) = watch::channel(false);
        let run = (self.run)(item, stopping);
        let task = self.tasks.spawn(run);
        self.homes.insert(item, Home { stop, task });
    }

    /// What ran has ended: released, if it was asked to; else it is started again.
    async fn ended(
        &mut self,
        ended: Result<(Id, Result<(), Error>), JoinError>,
        wire: Option<&Wire>,
    ) {
        let (id, result) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                let panicked = error.is_panic().then(|| {
                    let message = "what was called for an event panicked";
                    Error::new(ErrorKind::Handler, message)
                });
                (error.id(), panicked.map_or(Ok(()), Err))
            }
        };
        let home = self.homes.iter().find(|(_, home)| home.task.id() == id);
        let Some((item, home)) = home.map(|(item, home)| (*item, home.is_stopping())) else {
            return;
        };
        self.homes.remove(&item);
        if let Err(error) = result {
            self.failed = Some(error);
        }
        if home {
            self.release(item, wire).await;
        }
    }

    async fn release(&mut self, item: u32, wire: Option<&Wire>) {
        let revision = self.entries.get(&item).copied().unwrap_or(0);
        let (key, value) = (self.key_of_item(item), entry::write(&Owner::default()));
        // Without an answer it stays this member's: it is started again, or freed when it is gone.
        if let Some(wire) = wire
            && let Written::Done(revision) = wire.write(&key, value, revision).await
        {
            self.entries.insert(item, revision);
            self.view.owners.remove(&item);
            observe::cluster::released(item);
        }
    }

    /// Everything was released: nobody need wait for the lease to run out.
    async fn leave(&mut self, wire: Option<&Wire>) -> End {
        if let Some(wire) = wire {
            // Not deleted, it is given up by the others a little later.
            let _is_gone = wire.remove(&self.key_of(&self.me), self.revision).await;
        }
        End::Left
    }

    fn key_of(&self, member: &str) -> String {
        format!("{}.member.{member}", self.role.group)
    }

    fn key_of_item(&self, item: u32) -> String {
        format!("{}.item.{item}", self.role.group)
    }
}
