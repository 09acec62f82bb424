//! The task that delivers queued events from one process. Processes that share a database share the work: a delivery is claimed
//! for a minute, and one whose process has ended is claimed again after it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::endpoint::WebhookTarget;
use super::payload;
use super::schedule::pause;
use super::signature::sign;
use crate::clock::{Clock, DAY, Millis};
use crate::entropy;
use crate::error::Error;
use crate::fork::{Process, lock};
use crate::health::Health;
use crate::remote::post::{PostAnswer, post};
use crate::remote::runtime::{self, limited};
use crate::remote::web_client::WebTls;
use crate::store::{
    AnyStore, ClaimedDelivery, DeliveryOutcome, EndpointChange, EndpointRow, SettledBatch, SettledDelivery, Store,
};

/// How often the database is asked for deliveries that are due.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The pause after the database could not be used.
const ERROR_PAUSE: Duration = Duration::from_secs(5);
/// How many deliveries of an endpoint one process makes at a time.
const BATCH: usize = 16;
/// The time for one attempt.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(15);
/// How long a delivery is claimed. It is longer than an attempt and the transactions around it.
const LEASE: Millis = 60_000;
/// The longest pause of an endpoint for which every attempt fails. Events wait in the database meanwhile.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long attempts may still run once the engine is closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// How often the endpoints are registered again, and how long a registration holds.
const REGISTER_INTERVAL: Duration = Duration::from_secs(3_600);
const REGISTRATION: Millis = 30 * DAY;
/// How long dead deliveries are kept.
const KEEP_DEAD: Millis = 30 * DAY;
/// How long the certificates of authorities are used before they are read again.
const TLS_AGE: Duration = Duration::from_secs(3_600);
/// The status by which a receiver says that it wants no more messages.
const GONE: u16 = 410;

/// The settings of delivery, which every process of an engine has.
pub(crate) struct DeliverySettings {
    pub(crate) store: Arc<AnyStore>,
    pub(crate) clock: Clock,
    pub(crate) targets: Vec<Arc<WebhookTarget>>,
    pub(crate) counts: Arc<DeliveryCounts>,
    pub(crate) health: Arc<Health>,
}

/// The attempts of an engine so far.
#[derive(Default)]
pub(crate) struct DeliveryCounts {
    pub(crate) delivered: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// The rows that register endpoints from `now` on.
pub(crate) fn registered_now(targets: &[Arc<WebhookTarget>], now: Millis) -> Arc<[EndpointRow]> {
    let row = |target: &Arc<WebhookTarget>| EndpointRow {
        id: target.id.clone(),
        url: target.shown_url(),
        actions: target.actions.clone(),
        created_at: now,
        kept_until: now.saturating_add(REGISTRATION),
    };
    targets.iter().map(row).collect()
}

/// The delivery of one engine in one process.
pub(crate) struct Deliveries {
    process: Process,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

impl Deliveries {
    /// Starts the task. It does not wait for it.
    pub(crate) fn new(settings: Arc<DeliverySettings>) -> Self {
        let (stop, stopping) = watch::channel(false);
        let (end, ended) = watch::channel(false);
        let task = DeliveryTask { settings, tls: Mutex::default() };
        let start = move || {
            if let Ok(runtime) = runtime::handle() {
                runtime.spawn(async move {
                    Arc::new(task).run(stopping).await;
                    end.send_replace(true);
                });
            }
        };
        // The runtime of a forked child is built under the gate, which this thread may hold. Without a thread another process
        // delivers, or this one when it is opened again.
        let _ = thread::Builder::new().name("keywright-webhooks".into()).spawn(start);
        Self { process: Process::current(), stop, ended }
    }

    /// Starts no further attempts, and waits for those that run, for a bounded time. What is queued stays in the database.
    pub(crate) async fn finish(&self) {
        self.stop.send_replace(true);
        let mut ended = self.ended.clone();
        if let Ok(runtime) = runtime::handle() {
            // An error says that the task is gone.
            let _ = limited(&runtime, CLOSE_LIMIT + POLL_INTERVAL, ended.wait_for(|ended| *ended)).await;
        }
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        // A forked child holds a copy of its parent's, whose lock another thread may have held.
        if self.process == Process::current() {
            self.stop.send_replace(true);
        }
    }
}

/// The progress of one endpoint in this process.
#[derive(Default)]
struct Lane {
    is_running: bool,
    /// How many batches in a row failed whole.
    failures: u32,
    paused_until: Option<Instant>,
}

impl Lane {
    fn end_batch(&mut self, end: &BatchEnd) {
        self.is_running = false;
        let failed_whole = end.delivered == 0 && end.failed > 0;
        self.failures = if failed_whole { self.failures.saturating_add(1) } else { 0 };
        let pause = match (end.delivered, failed_whole) {
            (_, true) => lane_pause(self.failures),
            // Another process was faster, or the database could not be read.
            (0, false) => POLL_INTERVAL,
            _ => Duration::ZERO,
        };
        self.paused_until = Some(Instant::now() + pause);
    }
}

/// The end of a batch.
struct BatchEnd {
    endpoint: String,
    delivered: usize,
    failed: usize,
}

struct DeliveryTask {
    settings: Arc<DeliverySettings>,
    tls: Mutex<Option<(Instant, WebTls)>>,
}

impl DeliveryTask {
    async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let targets = self.settings.targets.iter().map(|target| (target.id.clone(), Arc::clone(target)));
        let targets: BTreeMap<String, Arc<WebhookTarget>> = targets.collect();
        let mut lanes: BTreeMap<String, Lane> = targets.keys().map(|id| (id.clone(), Lane::default())).collect();
        let mut batches: JoinSet<BatchEnd> = JoinSet::new();
        // Opening has just registered them. An engine that never lives for an interval has to forget as well.
        let mut registered = Instant::now();
        let _ = self.forget().await;
        while !*stopping.borrow() {
            let mut wait = POLL_INTERVAL;
            if registered.elapsed() >= REGISTER_INTERVAL {
                // After a failure the next time does it: a registration holds for many intervals.
                let _ = self.keep().await;
                registered = Instant::now();
            }
            let now = Instant::now();
            let is_free = |lane: &Lane| !lane.is_running && lane.paused_until.is_none_or(|until| until <= now);
            let free: Vec<String> = lanes.iter().filter(|(_, lane)| is_free(lane)).map(|(id, _)| id.clone()).collect();
            let due = match free.is_empty() {
                true => Ok(Vec::new()),
                false => self.settings.store.due_webhooks(&free, self.settings.clock.now()).await,
            };
            match due {
                Ok(due) => {
                    for id in due {
                        let (Some(target), Some(lane)) = (targets.get(&id), lanes.get_mut(&id)) else { continue };
                        lane.is_running = true;
                        let (task, target) = (Arc::clone(&self), Arc::clone(target));
                        batches.spawn(async move { task.deliver(&target).await });
                    }
                }
                Err(_) => wait = ERROR_PAUSE,
            }
            tokio::select! {
                _ = stopping.wait_for(|stops| *stops) => break,
                () = tokio::time::sleep(wait) => {}
                Some(ended) = batches.join_next() => match ended {
                    Ok(end) => lanes.entry(end.endpoint.clone()).or_default().end_batch(&end),
                    // A batch that panicked does not tell whose it was. Two batches of an endpoint share nothing.
                    Err(_) => lanes.values_mut().for_each(|lane| lane.is_running = false),
                }
            }
        }
        // Attempts that are cut off then are made again when their claims are over.
        let _ = tokio::time::timeout(CLOSE_LIMIT, async { while batches.join_next().await.is_some() {} }).await;
    }

    /// Keeps the registration alive, and forgets what is long dead.
    async fn keep(&self) -> Result<(), Error> {
        let DeliverySettings { store, clock, targets, .. } = &*self.settings;
        let now = clock.now();
        store.register_webhooks(registered_now(targets, now)).await?;
        self.forget().await
    }

    async fn forget(&self) -> Result<(), Error> {
        let DeliverySettings { store, clock, .. } = &*self.settings;
        store.forget_deliveries(clock.now().saturating_sub(KEEP_DEAD)).await
    }

    /// Claims some deliveries of an endpoint, attempts them at the same time, and stores their ends.
    async fn deliver(self: Arc<Self>, target: &Arc<WebhookTarget>) -> BatchEnd {
        let DeliverySettings { store, clock, counts, health, .. } = &*self.settings;
        let mut end = BatchEnd { endpoint: target.id.clone(), delivered: 0, failed: 0 };
        let now = clock.now();
        let leased_until = now.saturating_add(LEASE);
        let Ok(claimed) = store.claim_deliveries(&target.id, now, leased_until, BATCH).await else {
            end.failed = 1;
            return end;
        };
        let mut attempts = JoinSet::new();
        for delivery in claimed {
            let (task, target) = (Arc::clone(&self), Arc::clone(target));
            attempts.spawn(async move { task.attempt(&target, delivery).await });
        }
        let (mut deliveries, mut is_gone) = (Vec::new(), false);
        while let Some(attempted) = attempts.join_next().await {
            let Ok(Some(attempt)) = attempted else { continue };
            is_gone |= attempt.status == Some(GONE);
            match &attempt.settled.outcome {
                DeliveryOutcome::Delivered => end.delivered += 1,
                DeliveryOutcome::Failed { .. } => end.failed += 1,
            }
            deliveries.push(attempt.settled);
        }
        counts.delivered.fetch_add(end.delivered as u64, Ordering::Relaxed);
        counts.failed.fetch_add(end.failed as u64, Ordering::Relaxed);
        let at = clock.now();
        if !deliveries.is_empty() {
            // A delivery whose end is lost is made again, under the same id.
            let batch = SettledBatch { endpoint: target.id.clone(), leased_until, at, deliveries };
            let _ = store.settle_deliveries(batch).await;
        }
        if is_gone {
            let reason = "the receiver answered 410 Gone".to_owned();
            // Without an answer of the database its next answer says the same.
            if store.change_webhook(&target.id, EndpointChange::Disable { at, reason }).await == Ok(true) {
                health.report_gone_receiver(&target.address.to_string(), &target.id);
            }
        }
        end
    }

    /// Attempts one delivery. `None` if its body cannot be read from the database now: its claim then runs out.
    async fn attempt(&self, target: &WebhookTarget, delivery: ClaimedDelivery) -> Option<DeliveryAttempt> {
        let DeliverySettings { store, clock, .. } = &*self.settings;
        let body = match delivery.body.clone() {
            Some(body) => Some(body),
            None => payload::body(&**store, &delivery, clock.now()).await.ok()?,
        };
        let Some(body) = body else {
            let failure = "its type is known to a later release only".to_owned();
            return Some(self.failed(&delivery, None, None, String::new(), failure));
        };
        let answer = match tokio::time::timeout(ATTEMPT_LIMIT, self.send(target, &delivery, &body)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("{}: did not answer within {} s", target.address, ATTEMPT_LIMIT.as_secs())),
        };
        Some(match answer {
            Ok(PostAnswer { status: status @ 200..=299, .. }) => DeliveryAttempt {
                status: Some(status),
                settled: SettledDelivery { seq: delivery.seq, outcome: DeliveryOutcome::Delivered },
            },
            Ok(PostAnswer { status, retry_after }) => self.failed(
                &delivery,
                Some(status),
                retry_after,
                body,
                format!("{}: answered {status}", target.address),
            ),
            Err(failure) => self.failed(&delivery, None, None, body, failure),
        })
    }

    fn failed(
        &self,
        delivery: &ClaimedDelivery,
        status: Option<u16>,
        retry_after: Option<Duration>,
        body: String,
        failure: String,
    ) -> DeliveryAttempt {
        // Chance only spreads attempts.
        let random = entropy::bytes().map(u16::from_be_bytes).unwrap_or_default();
        let pause = pause(delivery.attempts.saturating_add(1), random, retry_after).filter(|_| status != Some(GONE));
        let next_at = pause.map(|pause| self.settings.clock.now().saturating_add(pause));
        let outcome = DeliveryOutcome::Failed { next_at, body, failure };
        DeliveryAttempt { status, settled: SettledDelivery { seq: delivery.seq, outcome } }
    }

    async fn send(&self, target: &WebhookTarget, delivery: &ClaimedDelivery, body: &str) -> Result<PostAnswer, Error> {
        let tls = if target.address.is_secure() { Some(self.tls().await?) } else { None };
        let timestamp = self.settings.clock.now().div_euclid(1_000);
        let headers = [
            ("webhook-id", delivery.message.clone()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", sign(&target.secrets, &delivery.message, timestamp, body)),
        ];
        post(&target.address, tls.as_ref(), &headers, body.to_owned()).await
    }

    async fn tls(&self) -> Result<WebTls, Error> {
        let fresh = |(loaded, tls): &(Instant, WebTls)| (loaded.elapsed() < TLS_AGE).then(|| tls.clone());
        if let Some(tls) = lock(&self.tls).as_ref().and_then(fresh) {
            return Ok(tls);
        }
        let tls = WebTls::load().await?;
        *lock(&self.tls) = Some((Instant::now(), tls.clone()));
        Ok(tls)
    }
}

/// The end of one attempt.
struct DeliveryAttempt {
    status: Option<u16>,
    settled: SettledDelivery,
}

/// The pause of an endpoint after so many batches that failed whole.
fn lane_pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.clamp(1, 7)).min(LONGEST_PAUSE)
}
