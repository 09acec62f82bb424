//! Verifications that memory answers, without a promise and mostly without an object. Engines and requests have numbers.
//! A plain "allowed" is the number of the revision of the key, for which JavaScript caches the decision object.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use keywright::ffi::{self, Casing, FromFields};
use keywright::{Decision, Request};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::call::{OrgSelector, fields};
use crate::decision;
use crate::lazy_engine::LazyEngine;
use crate::result::Failure;
use crate::value::{optional, text_in};

/// The engines by number.
static ENGINES: RwLock<BTreeMap<u32, LazyEngine>> = RwLock::new(BTreeMap::new());

/// The number of an engine. It is valid while this object lives.
pub(crate) struct EngineNumber(pub(crate) u32);

impl EngineNumber {
    pub(crate) fn of(engine: &LazyEngine) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ENGINES.write().unwrap_or_else(PoisonError::into_inner).insert(number, engine.clone());
        Self(number)
    }
}

impl Drop for EngineNumber {
    fn drop(&mut self) {
        let removed = ENGINES.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        // Dropped outside the lock: the last handle of an engine writes its counters.
        drop(removed);
    }
}

/// The greatest number of requests that are cached for all threads. Any other request is parsed on each call.
const MAX_REQUESTS: usize = 4_096;

#[derive(Default)]
struct Requests {
    all: Vec<Arc<Request>>,
    by_text: HashMap<String, u32>,
}

static REQUESTS: LazyLock<RwLock<Requests>> = LazyLock::new(RwLock::default);

/// Returns the number of a request. The text is equal for equal options. Returns `null` when the cache is full.
#[napi(catch_unwind)]
pub fn request_number(text: String, options: Unknown<'_>) -> Result<Option<Either<u32, Failure>>> {
    let mut requests = REQUESTS.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = requests.by_text.get(&text) {
        return Ok(Some(Either::A(*known)));
    }
    let read = match fields(Casing::Snake, optional(options)?).and_then(Request::read) {
        Ok(request) => request,
        Err(error) => return Ok(Some(Either::B(error.into()))),
    };
    let Some(number) = u32::try_from(requests.all.len()).ok().filter(|_| requests.all.len() < MAX_REQUESTS) else {
        return Ok(None);
    };
    requests.all.push(Arc::new(read));
    requests.by_text.insert(text, number);
    Ok(Some(Either::A(number)))
}

thread_local! {
    /// The decision behind the number that `verify_cached` returned last.
    static LAST: RefCell<Option<Decision>> = const { RefCell::new(None) };
}

/// Verifies from memory. Returns the number of the revision of the key for a plain "allowed", any other decision as JSON,
/// and `null` when the call needs the store.
#[napi(catch_unwind)]
pub fn verify_cached(
    engine: u32,
    org: Unknown<'_>,
    request: u32,
    text: Unknown<'_>,
) -> Result<Option<Either3<f64, String, Failure>>> {
    let mut buffer = [0; ffi::LONGEST_TEXT + 8];
    let Some(text) = text_in(text, &mut buffer) else { return Ok(None) };
    let engines = ENGINES.read().unwrap_or_else(PoisonError::into_inner);
    let Some(kw) = engines.get(&engine).and_then(LazyEngine::opened) else { return Ok(None) };
    let requests = REQUESTS.read().unwrap_or_else(PoisonError::into_inner);
    let Some(request) = usize::try_from(request).ok().and_then(|index| requests.all.get(index)) else {
        return Ok(None);
    };
    let handle = match OrgSelector::read(optional(org)?).and_then(|org| org.of(kw)) {
        Ok(handle) => handle,
        Err(error) => return Ok(Some(Either3::C(error.into()))),
    };
    let decision = match handle {
        Some(org) => org.try_verify(text, request),
        None => kw.try_verify(text, request),
    };
    let Some(decision) = decision else { return Ok(None) };
    if let Some(revision) = cached_revision(&decision) {
        LAST.set(Some(decision));
        return Ok(Some(Either3::A(revision)));
    }
    Ok(Some(match decision::to_json(&decision) {
        Ok(json) => Either3::B(json),
        Err(error) => Either3::C(error.into()),
    }))
}

/// Returns the decision behind the number that `verifyCached` returned last on this thread.
#[napi(catch_unwind)]
pub fn last_decision() -> Option<String> {
    LAST.take().and_then(|decision| decision::to_json(&decision).ok())
}

#[expect(clippy::cast_precision_loss, reason = "no process reads 2^53 keys")]
fn cached_revision(decision: &Decision) -> Option<f64> {
    ffi::cache_key(decision).map(|revision| revision as f64)
}

/// Writes the counters of open engines to their databases before the process ends.
#[napi(catch_unwind)]
pub fn flush_open() {
    ffi::flush_open();
}

/// Writes the counters of open engines and delivers their events while JavaScript can still run.
#[napi(catch_unwind)]
pub fn end_open(env: &Env) -> Result<PromiseRaw<'_, ()>> {
    env.spawn_future(async {
        let end = || {
            ffi::flush_open();
            ffi::end_events();
        };
        spawn_blocking(end).await.map_err(|error| napi::Error::from_reason(error.to_string()))
    })
}
