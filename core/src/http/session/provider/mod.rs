//! The keys of an identity provider, which the engine fetches and keeps current. A use of the keys starts each fetch, so that an
//! engine without sessions asks nobody, and a forked child needs no thread of its parent.

mod discovery;
mod schedule;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use self::discovery::Issuer;
use self::schedule::{DocumentTimes, FetchAttempts, FetchStep};
use super::jwks::Jwks;
use super::verification_key::VerificationKey;
use crate::clock::{Clock, DAY, Millis};
use crate::error::Error;
use crate::fork::{PerProcess, lock};
use crate::health::Health;
use crate::keyring::{EndsAtClose, Keywright};
use crate::remote::get::{WebAnswer, get};
use crate::remote::runtime;
use crate::remote::web_address::WebAddress;
use crate::remote::web_client::failed;

/// The largest document.
const LARGEST: usize = 256 * 1024;

/// The time for the documents of one fetch.
const FETCH_LIMIT: Duration = Duration::from_secs(5);

const USUAL_OUTAGE: Millis = DAY;
pub(super) const LONGEST_OUTAGE: Millis = 7 * DAY;

/// The place of the keys, as the host named it.
#[derive(Debug, Clone)]
pub(super) struct ProviderSettings {
    text: String,
    is_issuer: bool,
}

impl ProviderSettings {
    pub(super) fn of_issuer(text: String) -> Self {
        Self { text, is_issuer: true }
    }

    pub(super) fn of_address(text: String) -> Self {
        Self { text, is_issuer: false }
    }
}

enum KeyPlace {
    Issuer(Issuer),
    Keys(WebAddress),
}

/// The keys that a provider has published.
pub(super) struct KeyDocument {
    keys: Vec<VerificationKey>,
    times: DocumentTimes,
}

impl KeyDocument {
    pub(super) fn keys(&self) -> &[VerificationKey] {
        &self.keys
    }
}

/// The next step for a token.
pub(super) enum Next {
    /// The keys of the document decide.
    Decide,
    Refuse,
    Unavailable,
    Wait(Landing),
    /// There is another document by now.
    Again,
}

/// The end of a fetch, whatever its outcome.
pub(super) struct Landing(watch::Receiver<()>);

impl Landing {
    pub(super) async fn ended(mut self) {
        // The sender sends nothing: it is dropped.
        let _ = self.0.changed().await;
    }
}

/// The fetches of one process.
#[derive(Default)]
struct Fetches {
    attempts: FetchAttempts,
    running: Option<(watch::Receiver<()>, AbortHandle)>,
}

/// The keys of a provider. All that check tokens with them share one fetch.
pub(super) struct ProviderKeys {
    place: KeyPlace,
    algorithms: Option<Vec<Algorithm>>,
    max_outage: Millis,
    document: ArcSwapOption<KeyDocument>,
    fetches: PerProcess<Mutex<Fetches>>,
}

impl ProviderKeys {
    pub(super) fn open(
        settings: &ProviderSettings,
        algorithms: Option<Vec<Algorithm>>,
        max_outage: Option<Millis>,
    ) -> Result<Self, Error> {
        let place = match settings.is_issuer {
            true => KeyPlace::Issuer(Issuer::parse(&settings.text)?),
            false => KeyPlace::Keys(WebAddress::parse("jwks_url", &settings.text)?),
        };
        if algorithms.iter().flatten().any(|it| *it == Algorithm::HS256) {
            let reason = "names HS256, whose secret everybody could read where it is published";
            let fix = "name the algorithms with which the provider signs, such as RS256";
            return Err(Error::validation_failed("algorithms", reason, fix));
        }
        let max_outage = max_outage.unwrap_or(USUAL_OUTAGE);
        if !(0..=LONGEST_OUTAGE).contains(&max_outage) {
            return Err(Error::validation_failed("max_outage", "is out of range", "give up to 7 days"));
        }
        let fetches = PerProcess::new(Mutex::default());
        Ok(Self { place, algorithms, max_outage, document: ArcSwapOption::empty(), fetches })
    }

    /// Whether a key of the provider can sign with this algorithm.
    pub(super) fn accepts(&self, algorithm: Algorithm) -> bool {
        let is_named = self.algorithms.as_ref().is_none_or(|all| all.contains(&algorithm));
        is_named && algorithm != Algorithm::HS256
    }

    pub(super) fn document(&self) -> Option<Arc<KeyDocument>> {
        self.document.load_full()
    }

    /// The next step for a token, whose key is in the document or not. It starts a fetch if one is due.
    pub(super) fn next(
        self: &Arc<Self>,
        kw: &Keywright,
        document: Option<&Arc<KeyDocument>>,
        is_known: bool,
        has_waited: bool,
    ) -> Next {
        let now = kw.engine().clock().boot_millis();
        if is_known && document.is_some_and(|it| it.times.is_new(now)) {
            return Next::Decide;
        }
        let mut fetches = lock(self.fetches());
        let newest = self.document.load();
        if newest.as_ref().map(Arc::as_ptr) != document.map(Arc::as_ptr) {
            return Next::Again;
        }
        let times = document.map(|it| &it.times);
        // A closed engine fetches nothing more.
        let is_closed = kw.engine().is_closed();
        match fetches.attempts.step(now, times, is_known, self.max_outage, has_waited || is_closed) {
            FetchStep::Decide => Next::Decide,
            FetchStep::DecideAndFetch => {
                self.fetch(&mut fetches, kw, now);
                Next::Decide
            }
            FetchStep::Fetch => self.fetch(&mut fetches, kw, now).map_or(Next::Unavailable, Next::Wait),
            FetchStep::Refuse if !is_closed => Next::Refuse,
            FetchStep::Refuse | FetchStep::Unavailable => Next::Unavailable,
        }
    }

    fn fetches(&self) -> &Mutex<Fetches> {
        self.fetches.get(Mutex::default)
    }

    /// Joins the fetch that runs, or starts one. `None` if no thread can be started.
    fn fetch(self: &Arc<Self>, fetches: &mut Fetches, kw: &Keywright, now: Millis) -> Option<Landing> {
        if let Some((landing, _)) = &fetches.running {
            return Some(Landing(landing.clone()));
        }
        let runtime = runtime::handle().ok()?;
        fetches.attempts.begin(now);
        let (sender, landing) = watch::channel(());
        let flight = Flight {
            provider: Arc::clone(self),
            clock: kw.engine().clock().clone(),
            health: Arc::clone(kw.engine().health()),
            outcome: None,
            _landing: sender,
        };
        let task = runtime.spawn(async move {
            let fetched = tokio::time::timeout(FETCH_LIMIT, flight.provider.download()).await;
            let outcome = fetched.unwrap_or_else(|_| Err(flight.provider.too_slow()));
            flight.land(outcome);
        });
        fetches.running = Some((landing.clone(), task.abort_handle()));
        Some(Landing(landing))
    }

    /// Fetches the keys.
    async fn download(&self) -> Fetched {
        let address = match &self.place {
            KeyPlace::Keys(address) => address.clone(),
            KeyPlace::Issuer(issuer) => issuer.keys_address(&metadata(issuer).await?)?,
        };
        let answer = found(&address, get(&address, LARGEST).await?)?;
        let life = schedule::life(&answer.cache_control, answer.age);
        let jwks = Jwks::read(&answer.body)
            .map_err(|_| failed(&address, "it sends no JWKS document", "name the address of its keys"))?;
        Ok(jwks.published_keys(self.algorithms.as_deref()).map(|keys| (keys, life)))
    }

    fn too_slow(&self) -> Error {
        let address = match &self.place {
            KeyPlace::Issuer(issuer) => issuer.address(),
            KeyPlace::Keys(address) => address,
        };
        let reason = format!("it did not send its documents within {} seconds", FETCH_LIMIT.as_secs());
        failed(address, &reason, "look at the server, and at the network to it")
    }
}

/// The document of discovery.
async fn metadata(issuer: &Issuer) -> Result<Vec<u8>, Error> {
    let [first, second] = issuer.places();
    let answer = get(&first, LARGEST).await?;
    if answer.status != 404 {
        return Ok(found(&first, answer)?.body);
    }
    Ok(found(&second, get(&second, LARGEST).await?)?.body)
}

/// The answer, if it has the document.
fn found(address: &WebAddress, answer: WebAnswer) -> Result<WebAnswer, Error> {
    match answer.status {
        200 => Ok(answer),
        300..400 => {
            let fix = "name the place to which it leads, if that is the provider's as well";
            Err(failed(address, "it answers with a redirect, and none is followed", fix))
        }
        404 => Err(failed(address, "it has no document there", "look at the address in the option session")),
        status => Err(failed(address, &format!("it answers with status {status}"), "look at the log of the provider")),
    }
}

/// The keys of a document with its life, or why it is useless; or why there is no document.
type Fetched = Result<Result<(Vec<VerificationKey>, Millis), Error>, Error>;

/// A fetch that runs. However it ends, also by a panic or with the engine, its end is noted.
struct Flight {
    provider: Arc<ProviderKeys>,
    clock: Clock,
    health: Arc<Health>,
    outcome: Option<Fetched>,
    _landing: watch::Sender<()>,
}

impl Flight {
    fn land(mut self, outcome: Fetched) {
        self.outcome = Some(outcome);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let fetched_at = self.clock.boot_millis();
        let outcome = self.outcome.take();
        let mut fetches = lock(self.provider.fetches());
        let report = match outcome {
            Some(Ok(Ok((keys, life)))) => {
                let times = DocumentTimes { fetched_at, life };
                self.provider.document.store(Some(Arc::new(KeyDocument { keys, times })));
                Some(Ok(()))
            }
            // The provider says that the former keys are not its keys any more.
            Some(Ok(Err(error))) => {
                self.provider.document.store(None);
                Some(Err(error))
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        };
        fetches.running = None;
        let is_news = fetches.attempts.end(fetched_at, !matches!(report, Some(Ok(()))));
        drop(fetches);
        if let Some(report) = report.filter(|_| is_news) {
            self.health.report_provider(report);
        }
    }
}

impl EndsAtClose for ProviderKeys {
    fn end(&self) {
        if let Some((_, task)) = &lock(self.fetches()).running {
            task.abort();
        }
    }
}
