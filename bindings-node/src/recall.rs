//! Verifications that memory answers, without a promise and mostly without an object: engines and requests are known
//! by numbers, a plain "allowed" is the number of a reading, and JavaScript keeps the decision that it made of one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use keywright::input::Casing;
use keywright::{Decision, Request};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::answer::Failure;
use crate::call::{Tenant, fields};
use crate::engine::Late;
use crate::value::{given, short};
use crate::verdict;

/// The engines by their numbers.
static ENGINES: RwLock<BTreeMap<u32, Late>> = RwLock::new(BTreeMap::new());

/// The number of an engine, for as long as its object lives.
pub(crate) struct Number(pub(crate) u32);

impl Number {
    pub(crate) fn of(late: &Late) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        ENGINES.write().unwrap_or_else(PoisonError::into_inner).insert(number, late.clone());
        Self(number)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        let gone = ENGINES.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        // Outside of the lock: the last of an engine writes its counts down.
        drop(gone);
    }
}

/// Requests that were read, each once for all threads. Past so many, others are read each time.
const MOST_REQUESTS: usize = 4_096;

#[derive(Default)]
struct Requests {
    all: Vec<Arc<Request>>,
    by_text: HashMap<String, u32>,
}

static REQUESTS: LazyLock<RwLock<Requests>> = LazyLock::new(RwLock::default);

/// The number of a request, by a text that says the same as its options. `null` when there are too many.
#[napi(catch_unwind)]
pub fn request(text: String, options: Unknown<'_>) -> Result<Option<Either<u32, Failure>>> {
    let mut requests = REQUESTS.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = requests.by_text.get(&text) {
        return Ok(Some(Either::A(*known)));
    }
    let read = match fields(Casing::Snake, given(options)?).and_then(Request::read) {
        Ok(request) => request,
        Err(error) => return Ok(Some(Either::B(error.into()))),
    };
    let Some(number) = u32::try_from(requests.all.len()).ok().filter(|_| requests.all.len() < MOST_REQUESTS) else {
        return Ok(None);
    };
    requests.all.push(Arc::new(read));
    requests.by_text.insert(text, number);
    Ok(Some(Either::A(number)))
}

thread_local! {
    /// The decision that was last answered by a number.
    static LAST: RefCell<Option<Decision>> = const { RefCell::new(None) };
}

/// What memory says of a text: the number of a reading for a plain "allowed", else the decision as JSON; `null` when
/// the store has to be asked.
#[napi(catch_unwind)]
pub fn recall(
    engine: u32,
    org: Unknown<'_>,
    request: u32,
    text: Unknown<'_>,
) -> Result<Option<Either3<f64, String, Failure>>> {
    let mut buffer = [0; keywright::LONGEST_TEXT + 8];
    let Some(text) = short(text, &mut buffer) else { return Ok(None) };
    let engines = ENGINES.read().unwrap_or_else(PoisonError::into_inner);
    let Some(kw) = engines.get(&engine).and_then(Late::opened) else { return Ok(None) };
    let requests = REQUESTS.read().unwrap_or_else(PoisonError::into_inner);
    let Some(request) = usize::try_from(request).ok().and_then(|it| requests.all.get(it)) else { return Ok(None) };
    let handle = match Tenant::read(given(org)?).and_then(|it| it.of(kw)) {
        Ok(handle) => handle,
        Err(error) => return Ok(Some(Either3::C(error.into()))),
    };
    let decision = match handle {
        Some(org) => org.try_verify(text, request),
        None => kw.try_verify(text, request),
    };
    let Some(decision) = decision else { return Ok(None) };
    if let Some(reading) = plain(&decision) {
        LAST.set(Some(decision));
        return Ok(Some(Either3::A(reading)));
    }
    Ok(Some(match verdict::outcome(&decision) {
        Ok(json) => Either3::B(json),
        Err(error) => Either3::C(error.into()),
    }))
}

/// The decision that `recall` last answered by a number, on this thread.
#[napi(catch_unwind)]
pub fn recalled() -> Option<String> {
    LAST.take().and_then(|it| verdict::outcome(&it).ok())
}

#[expect(clippy::cast_precision_loss, reason = "no process reads 2^53 keys")]
fn plain(decision: &Decision) -> Option<f64> {
    decision.plain().map(|it| it as f64)
}

/// Writes down what open engines have counted, before the process ends.
#[napi(catch_unwind)]
pub fn flush_open() {
    keywright::flush_open();
}

/// Writes down what open engines have counted, and hands out their events, while JavaScript can still hear them.
#[napi(catch_unwind)]
pub fn end_open(env: &Env) -> Result<PromiseRaw<'_, ()>> {
    env.spawn_future(async {
        let end = || {
            keywright::flush_open();
            keywright::end_events();
        };
        spawn_blocking(end).await.map_err(|it| napi::Error::from_reason(it.to_string()))
    })
}
