//! One of several processes that share the shards out among themselves. Three kinds of leases stand for that:
//!
//! - `<name>-member-<i>`: who lives. Each process holds one and renews it every retry period. All that it leads, it leads only while this one
//!   surely holds.
//! - `<name>-shard-<k>`: who leads shard k. It is written when the shard changes hands, and holds as long as its holder's member lease, so that the
//!   requests in steady state grow with the members and not with the shards.
//! - `<name>`: with how many shards all work. It is held by `<S>-shards`, jointly, or by the leader itself where S is 1, so two schemes are never
//!   in force at once. Whoever finds that nobody renewed it since it looked last, renews it.
//!
//! Why a shard has one leader at most. A process leads shard k while its clock is before its last renewal of the member lease (counted from
//! before the request) plus the renewal deadline, without a gap since it wrote its name into lease k; after a gap it writes that name
//! again. Another one writes its own name there only if it is free, or if it saw the holder's member lease unchanged for the lease duration, which
//! is longer; then the holder had such a gap. Both write under the version they read, so one of them fails. The same holds for the scheme.
//!
//! Whoever leaves releases its shards, then its member lease, and as the last one the scheme. To know that it is the last, it reads the scheme's
//! lease before it lists the members, and those write their member leases before the scheme's: one it does not see has yet
//! to renew the scheme's lease, which would make the release fail, or finds it released.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::Shards;
use super::view::{Action, Slot, View};
use crate::cluster::lease::{Failed, LeaseOptions, Leases, Observed, Step, evaluate, holder, version};
use crate::hashing::fnv1a;

/// Most members; the chart grants access to so many member leases by name.
pub const MEMBERS: usize = 16;

/// On all leases of one lease name.
const LABEL: &str = "ballast.dev/lease";
/// Of a member: with how many shards it works.
const SHARDS: &str = "ballast.dev/shards";

/// Takes part until `shutdown`, and hands everything back once `drained` says that nothing is written any more.
pub async fn run(client: Client, options: LeaseOptions, shards: Shards, shutdown: CancellationToken, drained: CancellationToken) {
    let mut member = Member::new(Leases::new(client, shards.clock().clone(), options), shards);
    let retry_period = member.leases.options().retry_period;
    loop {
        let pause = match member.step(shutdown.is_cancelled()).await {
            Ok(true) => retry_period / 4,
            Ok(false) => retry_period,
            Err(error) => {
                let LeaseOptions { namespace, name, .. } = member.leases.options();
                warn!(lease = %format_args!("{namespace}/{name}"), %error, "cannot work on the leases (--lease-namespace)");
                retry_period / 2
            }
        };
        tokio::select! {
            () = drained.cancelled() => break,
            () = member.shards.any_handed_over() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = member.part().await {
        warn!(lease = %member.leases.options().name, %error, "cannot release all leases; others wait until they expire");
    }
}

struct Member {
    leases: Leases,
    shards: Shards,
    /// Holder of the scheme's lease.
    scheme: String,
    /// Values of the labels.
    label: String,
    count: String,
    /// Our member lease as written last.
    slot: Option<(usize, Lease)>,
    slot_until: Option<Instant>,
    scheme_until: Option<Instant>,
    scheme_seen: Option<Observed>,
    /// Begin of the last reading of the scheme's lease.
    looked: Option<Instant>,
    view: View,
    /// Who keeps us from working, as logged.
    waiting: Option<String>,
}

/// All leases of our name at one time.
struct Listed {
    /// Begin of the reading.
    at: Instant,
    slots: BTreeMap<usize, Lease>,
    shards: BTreeMap<usize, Lease>,
    scheme: Option<Lease>,
}

// === impl Member ===

impl Member {
    fn new(leases: Leases, shards: Shards) -> Self {
        let name = &leases.options().name;
        // A label is shorter than a name may be.
        let label = if name.len() <= 63 { name.clone() } else { format!("{:016x}", fnv1a(name.as_bytes())) };
        let count = shards.count().to_string();
        Self {
            scheme: format!("{count}-shards"),
            leases,
            shards,
            label,
            count,
            slot: None,
            slot_until: None,
            scheme_until: None,
            scheme_seen: None,
            looked: None,
            view: View::default(),
            waiting: None,
        }
    }

    fn now(&self) -> Instant {
        self.shards.clock().instant()
    }

    fn me(&self) -> &str {
        &self.leases.options().identity
    }

    fn slot_name(&self, number: usize) -> String {
        format!("{}-member-{number}", self.leases.options().name)
    }

    fn shard_name(&self, shard: usize) -> String {
        format!("{}-shard-{shard}", self.leases.options().name)
    }

    fn labels(&self) -> [(&str, &str); 2] {
        [(LABEL, &self.label), (SHARDS, &self.count)]
    }

    /// Renews what is ours and moves the shards a step closer to where they belong; true if there is more to do soon.
    async fn step(&mut self, stopping: bool) -> Result<bool, Failed> {
        self.renew_slot().await?;
        let listed = self.list().await?;
        let me = self.me().to_owned();
        let slots = listed.slots.iter().map(|(&number, lease)| (number, self.slot_of(lease))).collect();
        let (live, free) = self.view.members(&me, &slots, MEMBERS, self.now());
        if self.slot.is_none() && (stopping || !self.take_slot(&listed, &free).await?) {
            return Ok(false);
        }
        if !self.follow_scheme(&listed).await? {
            self.release_all(&listed).await?;
            return Ok(false);
        }
        if !self.is_active() {
            return Ok(true);
        }
        self.follow_shards(&listed, &live, stopping).await
    }

    fn slot_of(&self, lease: &Lease) -> Slot {
        let same_scheme = lease.metadata.labels.as_ref().and_then(|labels| labels.get(SHARDS)) == Some(&self.count);
        Slot { seen: self.leases.seen(lease), same_scheme }
    }

    async fn list(&self) -> Result<Listed, Failed> {
        let at = self.now();
        let name = &self.leases.options().name;
        let mut listed = Listed { at, slots: BTreeMap::new(), shards: BTreeMap::new(), scheme: None };
        for lease in self.leases.list(&format!("{LABEL}={}", self.label)).await? {
            let full = lease.name_any();
            let Some(rest) = full.strip_prefix(name.as_str()) else { continue };
            let number = |prefix: &str| rest.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok());
            if rest.is_empty() {
                listed.scheme = Some(lease);
            } else if let Some(number) = number("-member-").filter(|number| *number < MEMBERS) {
                listed.slots.insert(number, lease);
            } else if let Some(shard) = number("-shard-").filter(|shard| *shard < self.shards.count()) {
                listed.shards.insert(shard, lease);
            }
        }
        if listed.scheme.is_none() {
            // Made by a leader of all policies, it has no label.
            listed.scheme = self.leases.get(name).await?;
        }
        Ok(listed)
    }

    /// What was renewed at `before` holds for the deadline from then on, if both the member lease and the scheme's do.
    fn extend(&self) {
        match (self.slot_until, self.scheme_until) {
            (Some(slot), Some(scheme)) => self.shards.extend(slot.min(scheme)),
            _ => self.shards.give_up(),
        }
    }

    fn is_active(&self) -> bool {
        let now = self.now();
        [self.slot_until, self.scheme_until].iter().all(|until| until.is_some_and(|until| now < until))
    }

    async fn renew_slot(&mut self) -> Result<(), Failed> {
        let Some((number, lease)) = self.slot.clone() else { return Ok(()) };
        match self.hold_slot(number, Some(&lease)).await {
            Err(Failed::Conflict(_)) => {}
            done => return done,
        }
        // An answer may have been lost; otherwise it is not ours any more.
        let now = self.leases.get(&self.slot_name(number)).await?.filter(|lease| holder(lease) == Some(self.me()));
        if let Some(lease) = now {
            return self.hold_slot(number, Some(&lease)).await;
        }
        warn!(lease = %self.slot_name(number), "the member lease was taken or removed");
        (self.slot, self.slot_until) = (None, None);
        self.shards.give_up();
        Ok(())
    }

    async fn hold_slot(&mut self, number: usize, old: Option<&Lease>) -> Result<(), Failed> {
        let before = self.now();
        let lease = self.leases.hold(&self.slot_name(number), self.me(), old, &self.labels()).await?;
        self.slot = Some((number, lease));
        self.slot_until = Some(before + self.leases.options().renew_deadline);
        self.extend();
        Ok(())
    }

    /// Takes one of the free member leases; false if there is none.
    async fn take_slot(&mut self, listed: &Listed, free: &[usize]) -> Result<bool, Failed> {
        let ours = listed.slots.iter().find(|(_, lease)| holder(lease) == Some(self.me())).map(|(number, _)| *number);
        for number in ours.into_iter().chain(free.iter().copied()) {
            match self.hold_slot(number, listed.slots.get(&number)).await {
                Ok(()) => {
                    info!(lease = %self.slot_name(number), identity = %self.me(), shards = self.shards.count(), "takes part");
                    return Ok(true);
                }
                Err(Failed::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.waits_for(format!("a member lease: all {MEMBERS} are in use"));
        Ok(false)
    }

    fn waits_for(&mut self, what: String) {
        if self.waiting.as_ref() != Some(&what) {
            info!("waiting for {what}");
            self.waiting = Some(what);
        }
    }

    /// Renews the scheme's lease if nobody else has; false if another scheme is in force.
    async fn follow_scheme(&mut self, listed: &Listed) -> Result<bool, Failed> {
        let looked = self.looked.replace(listed.at);
        let name = self.leases.options().name.clone();
        if let Some(lease) = &listed.scheme {
            let seen = self.leases.seen(lease);
            let before = self.scheme_seen.take();
            let renewed = before.as_ref().is_some_and(|before| before.version != seen.version);
            let (step, observed) = evaluate(&self.scheme, &seen, before, self.now());
            self.scheme_seen = Some(observed);
            match (step, looked) {
                (Step::Wait, _) => {
                    self.scheme_until = None;
                    self.shards.give_up();
                    let holder = seen.holder.unwrap_or_default();
                    for shard in 0..self.shards.count() {
                        self.shards.let_go(shard, Some(&holder));
                    }
                    self.waits_for(format!("{holder}, which holds the lease {name}, to end"));
                    return Ok(false);
                }
                // Written after we began to look the last time: at least since then it holds. Unless that was long ago, it will do.
                (Step::Renew, Some(looked)) if renewed => {
                    let until = looked + self.leases.options().renew_deadline;
                    self.scheme_until = self.scheme_until.max(Some(until));
                    self.extend();
                    self.waiting = None;
                    if until.saturating_duration_since(self.now()) >= self.leases.options().renew_deadline * 2 / 3 {
                        return Ok(true);
                    }
                }
                _ => {}
            }
        }
        let before = self.now();
        match self.leases.hold(&name, &self.scheme, listed.scheme.as_ref(), &self.labels()).await {
            Ok(lease) => {
                self.scheme_seen = Some(Observed { version: version(&lease).to_owned(), at: before });
                self.scheme_until = Some(before + self.leases.options().renew_deadline);
                self.extend();
                self.waiting = None;
            }
            // Another member was faster, or another scheme: the next look tells.
            Err(Failed::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    async fn follow_shards(&mut self, listed: &Listed, live: &[String], stopping: bool) -> Result<bool, Failed> {
        let me = self.me().to_owned();
        let handed_over = self.shards.take_handed_over();
        let patience = self.leases.options().duration;
        let holders: Vec<Option<String>> =
            (0..self.shards.count()).map(|shard| listed.shards.get(&shard).and_then(holder).map(str::to_owned)).collect();
        let actions = self.view.shards(&me, live, &holders, patience, self.now());
        let (mut take, mut release, mut soon) = (Vec::new(), Vec::new(), false);
        for (shard, action) in actions.into_iter().enumerate() {
            let ours = holders[shard].as_ref() == Some(&me);
            if !ours {
                if self.shards.leads_shard(shard) {
                    warn!(shard, holder = holders[shard], "the lease of a shard was taken");
                }
                self.shards.let_go(shard, holders[shard].as_deref());
            }
            let confirmed = self.shards.leads_shard(shard);
            match action {
                Action::Leave if confirmed && !stopping => self.shards.leave(shard),
                Action::Leave if !confirmed => release.push(shard),
                Action::Keep if !confirmed && !stopping => take.push(shard),
                Action::Take if !stopping => take.push(shard),
                Action::Expect => soon = true,
                _ => {}
            }
        }
        soon |= !handed_over.is_empty();
        self.release(&release, listed).await?;
        soon |= self.take(&take, listed).await?;
        Ok(soon)
    }

    /// Writes our name into the leases of these shards; true if somebody else was faster.
    async fn take(&self, shards: &[usize], listed: &Listed) -> Result<bool, Failed> {
        let labels = self.labels();
        let write = async |shard: usize| {
            let (name, old) = (self.shard_name(shard), listed.shards.get(&shard));
            (shard, self.leases.hold(&name, self.me(), old, &labels[..1]).await)
        };
        let mut raced = false;
        let mut failed = None;
        for (shard, result) in join_all(shards.iter().map(|&shard| write(shard))).await {
            match result {
                Ok(_) => {
                    self.shards.hold(shard);
                    let from = listed.shards.get(&shard).and_then(holder);
                    info!(lease = %self.shard_name(shard), from, "took a shard");
                }
                Err(Failed::Conflict(_)) => raced = true,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(raced), Err)
    }

    async fn release(&self, shards: &[usize], listed: &Listed) -> Result<(), Failed> {
        let leases = shards.iter().filter_map(|shard| Some((*shard, listed.shards.get(shard)?.clone())));
        let write = async |(shard, lease): (usize, Lease)| (shard, self.leases.release(&self.shard_name(shard), lease).await);
        for (shard, result) in join_all(leases.map(write)).await {
            match result {
                Ok(_) => info!(lease = %self.shard_name(shard), "released a shard"),
                Err(Failed::Conflict(error)) => debug!(shard, %error, "not released"),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Releases all shards whose leases name us.
    async fn release_all(&self, listed: &Listed) -> Result<(), Failed> {
        let ours = listed.shards.iter().filter(|(_, lease)| holder(lease) == Some(self.me()));
        self.release(&ours.map(|(shard, _)| *shard).collect::<Vec<_>>(), listed).await
    }

    /// Hands everything back, so that nobody waits for an expiry.
    async fn part(&mut self) -> Result<(), Failed> {
        self.shards.give_up();
        self.release_all(&self.list().await?).await?;
        if let Some((number, _)) = self.slot.take()
            && let Some(lease) = self.leases.get(&self.slot_name(number)).await?.filter(|lease| holder(lease) == Some(self.me()))
        {
            self.leases.release(&self.slot_name(number), lease).await?;
        }
        let name = &self.leases.options().name;
        let Some(scheme) = self.leases.get(name).await?.filter(|lease| holder(lease) == Some(&self.scheme)) else { return Ok(()) };
        let listed = self.list().await?;
        let slots = listed.slots.iter().map(|(&number, lease)| (number, self.slot_of(lease))).collect();
        let me = self.me().to_owned();
        let (live, _) = self.view.members(&me, &slots, MEMBERS, self.now());
        if live.iter().all(|member| *member == me) {
            self.leases.release(name, scheme).await?;
            info!(lease = %name, "the last member released the lease");
        }
        Ok(())
    }
}
