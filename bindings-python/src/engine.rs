//! `Keywright`, and the checked options from which `AsyncKeywright` opens one.

use keywright::ffi::{self, Casing, Fields, block_on};
use keywright::{Error, Request};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::clock::ManualClock;
use crate::decision::Decision;
use crate::error::or_raise;
use crate::event::{listener, log};
use crate::handle::cached_handle;
use crate::http::Http;
use crate::input::{self, Keywords, entries, value_of};
use crate::key_formats::KeyFormats;
use crate::keys::Keys;
use crate::org::{Audit, Org, Orgs};
use crate::records::Parsed;
use crate::verify::{Backend, Verifier};
use crate::wait::{wait, wait_and_finish, wait_for_shutdown, wait_or_raise, was_interrupted};

/// The checked options of an engine.
#[pyclass(frozen, module = "keywright")]
pub(crate) struct Config(pub(crate) keywright::Config);

impl Config {
    fn read(url: &Bound<'_, PyAny>, keywords: Option<Keywords<'_, '_>>) -> PyResult<Self> {
        let py = url.py();
        watch_children(py)?;
        let clock = keywords.map(|keywords| keywords.get_item("clock")).transpose()?.flatten();
        let clock = clock.as_ref().and_then(|clock| clock.cast::<ManualClock>().ok());
        let on_event = keywords.map(|keywords| keywords.get_item("on_event")).transpose()?.flatten();
        let listener = on_event.as_ref().filter(|function| !function.is_none()).map(listener).transpose()?;
        let mut entries = entries(keywords)?;
        entries.retain(|(name, _)| !(name == "clock" && clock.is_some() || name == "on_event" && listener.is_some()));
        let config = or_raise(py, ffi::read_config(value_of(url)?, Fields::new(Casing::Snake, entries)))?;
        let config = clock.into_iter().fold(config.log(log), |config, clock| config.clock(clock.get().0.clone()));
        Ok(Self(listener.into_iter().fold(config, keywright::Config::on_event)))
    }

    fn opened(&self, py: Python<'_>) -> PyResult<PyClassInitializer<Keywright>> {
        wait_or_raise(py, self.0.clone().build()).map(Keywright::over)
    }
}

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (url, **options))]
    fn new(url: &Bound<'_, PyAny>, options: Option<Keywords<'_, '_>>) -> PyResult<Self> {
        Self::read(url, options).map(|config| Self(ffi::opened_by_calls(config.0)))
    }

    fn open(&self, py: Python<'_>) -> PyResult<Py<Keywright>> {
        Py::new(py, self.opened(py)?)
    }

    /// Opens the engine for a verification: a store that cannot be opened gives an `Unopened`, whose decisions are
    /// `unavailable`, where `open` raises.
    fn open_to_verify<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match wait(py, self.0.clone().build())? {
            Err(error @ Error::Unavailable { .. }) => {
                let verifier = PyClassInitializer::from(Verifier(Backend::Unopened(error)));
                Ok(Bound::new(py, verifier.add_subclass(Unopened))?.into_any())
            }
            opened => Ok(Bound::new(py, Keywright::over(or_raise(py, opened)?))?.into_any()),
        }
    }

    fn key_formats(&self, py: Python<'_>) -> PyResult<KeyFormats> {
        or_raise(py, self.0.key_formats()).map(KeyFormats)
    }

    /// Whether there may be a database.
    fn has_database(&self) -> bool {
        ffi::has_database(&self.0)
    }

    /// Reads the id of an org.
    #[staticmethod]
    fn read_org(id: &Bound<'_, PyAny>) -> PyResult<String> {
        or_raise(id.py(), ffi::read_org_id(value_of(id)?))
    }
}

/// A verifier for a store that cannot be opened: every decision is `unavailable`. A request without meaning still raises.
#[pyclass(frozen, extends = Verifier, module = "keywright")]
pub(crate) struct Unopened;

/// The engine: issues, verifies and revokes keys in one database. Thread-safe, and safe across `os.fork`.
///
/// url: `sqlite:` and a path on a local disk; a relative path starts in the working directory of this call. The
///     database is created if it does not exist.
/// brand: the prefix of every key, 1 to 32 of a-z, 0-9 and _. Required unless the formats do not use it.
/// environments: all environments of keys, 1 to 16; `["live", "test"]` when left out.
/// environment: the environments that this engine accepts, one or several, or `"*"` for all; the first one when left out.
/// key_format: the format of new keys; `"{brand}_{env}_{lookup:12}_{secret:32}{checksum:6}"` when left out.
/// accept_formats: older formats whose keys still verify, up to 16.
/// scopes: the scopes of the product, as a list or as a dict of descriptions; any other scope is refused.
/// pepper: a secret of at least 32 bytes, or a list of them: the first signs, all verify. Leave it out for argon2id;
///     `None` raises, since a missing setting must not silently select the slow hash.
/// retired_peppers: peppers that still verify. Their keys are rehashed with the first pepper on their next use.
/// hash: `"hmac-sha256"` (the default with a pepper) or `"argon2id"` (the default without one).
/// retired_hashes: hashes that still verify. Their keys are rehashed with the current hash on their next use.
/// id_style: `"uuid"` (the default) or `"integer"`. It cannot change once the database exists.
/// read_only: verifies and lists, and writes nothing.
/// keys_in_memory: the number of keys cached in memory, 0 to 10,000,000; 100,000 when left out.
/// busy_timeout: the longest wait for another writer, like `"5s"` or a timedelta, 0 to 1 hour; 5 seconds when left out.
/// max_staleness: on PostgreSQL, how long a verification may miss a change on another machine, like `"2s"` or a timedelta, 0 to 1 hour;
///     2 seconds when left out. With 0 every verification asks the database.
/// tiers: named sets of limits and quotas for keys, like `{"basic": 100, "premium": {"rate": 10000, "burst": 500}}`:
///     requests a minute, or a dict of `rate`, `burst` (as the rate when left out), `per` (`"key"` when left out,
///     `"org"` or `"agent"`), `operation`, `name` (the tier's when left out), `exact` (whether processes of several
///     machines share it without the 0.1 seconds of a lease; False when left out) and `when_unreachable` (`"local"` when left out,
///     `"refuse"` or `"allow"`), or a
///     quota as below, or a list of up to 8 limits and 8 quotas.
/// limits: the limits of every key, up to 8: a dict from names to rates or dicts as above, or a list of such dicts.
/// quotas: the quotas of every key, up to 8, which the database counts: a dict from names to dicts of `amount`, `every`
///     (`"hour"`, `"day"`, `"week"` or `"month"` in UTC; a balance when left out, which `keys.credit` raises), `anchor`
///     (the day on which a month begins; 1 when left out), `per` (`"key"` when left out, or `"org"`) and `operation`,
///     or a list of such dicts with a `name`.
/// limiter: where limits are counted: `"machine"`, together with all processes of this machine on the SQLite file; `"store"`, together
///     with all processes of all machines on the PostgreSQL database; or `"process"`, each process on its own. `"machine"` on
///     SQLite and `"store"` on PostgreSQL when left out.
/// on_event: a function that receives each `Event`: a key was created, rotated or revoked, expires soon, was long
///     unused, a former secret was used, a revoked one was presented. It runs on its own thread after the event, and
///     blocks nothing. An exception in it goes to `sys.unraisablehook`. In asyncio, pass the event on with
///     `loop.call_soon_threadsafe`.
/// expiring_days: reports daily the keys that expire within this many days, 0 to 3,650; 14 when left out, 0 reports none.
/// idle_days: reports daily the keys that were unused for this many days, 0 to 3,650; 90 when left out, 0 reports none.
/// webhooks: endpoints that receive each change, signed as Standard Webhooks says, up to 16: dicts of `url`, `secret` (`"whsec_"` and the
///     base64 of 24 to 64 random bytes, or a list of up to 4 that all sign) and `events` (types like `"key.revoked"`; all when left out).
/// clock: a `ManualClock` of `keywright.testing`, for tests.
#[pyclass(frozen, dict, weakref, extends = Verifier, module = "keywright")]
pub(crate) struct Keywright(pub(crate) keywright::Keywright);

impl Keywright {
    fn over(kw: keywright::Keywright) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Verifier(Backend::Engine(kw.clone()))).add_subclass(Self(kw))
    }
}

#[pymethods]
impl Keywright {
    #[new]
    #[pyo3(
        signature = (url, **options),
        text_signature = "(url, *, brand=None, environments=None, environment=None, key_format=None, accept_formats=None, scopes=None, pepper=..., retired_peppers=None, hash=None, retired_hashes=None, id_style=None, read_only=False, busy_timeout=None, max_staleness=None, keys_in_memory=None, tiers=None, limits=None, quotas=None, limiter=None, on_event=None, expiring_days=None, idle_days=None, webhooks=None, clock=None)"
    )]
    fn new(url: &Bound<'_, PyAny>, options: Option<Keywords<'_, '_>>) -> PyResult<PyClassInitializer<Self>> {
        Config::read(url, options)?.opened(url.py())
    }

    #[classattr]
    fn keys(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        cached_handle(py, c"keys", c"The keys of the org `default`.", |kw: &Self| Keys(kw.0.keys()))
    }

    #[classattr]
    fn orgs(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        cached_handle(py, c"orgs", c"The orgs themselves.", |kw: &Self| Orgs(kw.0.orgs()))
    }

    #[classattr]
    fn audit(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        cached_handle(py, c"audit", c"The audit chain, as the org `default` sees it.", |kw: &Self| Audit(kw.0.audit()))
    }

    /// Returns a handle for one org. It sees, creates and verifies only the keys of this org.
    fn org(&self, id: &Bound<'_, PyAny>) -> PyResult<Py<Org>> {
        Org::new(id.py(), or_raise(id.py(), self.0.org(&Config::read_org(id)?))?)
    }

    /// Returns the only handle across orgs.
    fn every_org(&self, py: Python<'_>) -> PyResult<Py<Org>> {
        Org::new(py, self.0.every_org())
    }

    /// Parses the text of a key. This proves nothing about the key.
    fn parse(&self, text: &Bound<'_, PyAny>) -> PyResult<Option<Parsed>> {
        KeyFormats(self.0.key_formats()).parse(text)
    }

    /// Returns the regular expression of the engine's keys, for secret scanners.
    ///
    /// syntax: `"perl"`, which Python reads too (when left out), or `"ere"`, which `grep -E` reads.
    #[pyo3(signature = (syntax = None))]
    fn key_pattern(&self, syntax: Option<&Bound<'_, PyAny>>) -> PyResult<String> {
        KeyFormats(self.0.key_formats()).key_pattern(syntax)
    }

    /// Masks the secret of every key in a text.
    fn redact(&self, text: &Bound<'_, PyAny>) -> PyResult<String> {
        Ok(self.0.redact(&input::text("text", text)?))
    }

    /// Returns the HTTP contract of the engine. The adapters call this themselves.
    ///
    /// credentials: the request headers that may carry a key; `["Authorization", "Api-Key", "X-API-Key"]` when left
    ///     out. `Authorization` means its scheme `Bearer`; `"Authorization: Api-Key"` names another scheme. A request
    ///     with two credentials is refused.
    /// realm: the realm of a challenge; `"api"` when left out.
    /// trusted_proxies: the proxies whose `X-Forwarded-For` is trusted: addresses, networks, and `"unix:"` for any
    ///     program that connects to a Unix socket.
    /// routes: rules, each a dict of `path` (`"/deals/{id}"`, `"/files/{*rest}"`), `method` (one, a list, or left out
    ///     for all), and the arguments of `Needs`: `scopes`, `operation`, `cost`, `environment`, `access`,
    ///     `idempotent`.
    /// default: the rule of any other route, if there are rules: `"deny"` (when left out) or `"authenticated"`.
    /// errors: the format of errors: `"problem"` (RFC 9457, when left out), `"list"` or `"plain"`.
    /// deprecation_headers: adds `Deprecation` and `Sunset` headers for a former secret.
    /// rate_limit_headers: `"draft"` (when left out) shows every limit in `RateLimit-Policy` and `RateLimit`;
    ///     `"legacy"` shows the
    ///     limit with the fewest requests left in `X-RateLimit-Limit`, `-Remaining` and `-Reset` (in seconds from now);
    ///     or `"both"`.
    /// session: the check of session tokens (JWT): a dict of `algorithm` with `key` or `key_file`, or `jwks`,
    ///     `jwks_file`, `jwks_url` or `issuer` alone with `algorithms` (accepted ones, also for keys without `alg`);
    ///     `issuer`, `audience`, `org_claim`, `actor_claim`, `may`, `may_claim`, `leeway_seconds`. A changed file is
    ///     read again. The keys of `jwks_url`, and those that the discovery of `issuer` names, are fetched with the first
    ///     token and kept current; `max_outage` (`"24h"` when left out) is how long the last ones stay in use.
    /// keys_may_manage: lets a key with the scope `keys:manage` manage keys that have no more rights than itself.
    /// revoke_children: revoking a key also revokes the keys that it has created.
    /// self_service: the calls under `/whoami` by which a key reads or changes itself: some of `"show"`, `"rotate"`,
    ///     `"revoke"` and `"attest"`; `["show", "revoke"]` when left out. Any other call gets 404.
    /// origins: other origins whose pages may manage keys with a session.
    /// preflight: whether the guard answers a CORS preflight with 204 (`"answer"`, when left out) or passes it to a
    ///     CORS layer behind it (`"pass"`).
    /// forward_auth: serves the forward authentication of this proxy at `/forward-auth`, below the path of management.
    /// agent_header: the header, like `X-Agent-Id`, that names the agent of a request: 1 to 128 of A-Z, a-z, 0-9, _ . :
    ///     and -. Limits, counters and the audit use it; it grants no rights. No header is read when left out.
    /// path: the path of management among the other routes of the API, like `"/api-keys"`. Other requests are left to
    ///     the host.
    /// mount: the path, like `"/api"`, at which a proxy mounts the application. The proxy sends it in a header
    ///     (`SCRIPT_NAME` for gunicorn, `Daphne-Root-Path` for Daphne) with every request.
    /// rewrites: accepts a path that was rewritten in front of the guard, and applies the rules to the new path;
    ///     refused when left out.
    /// casing: the casing of field names in requests and responses: `"snake"` (when left out) or `"camel"`.
    /// list: the format of a list: an object with a cursor, `"envelope"` (when left out), or the items alone, up to
    ///     1,000 with a `Link`: `"bare"`.
    /// secret_field: the field with the text of a new key: `"api_key"` (when left out) or `"key"`.
    /// revoked: the response of a revocation: the `"key"` (when left out), or with `"success"` `{"success": true}`.
    /// fields: the fields of a key in responses, in order; or a dict of such lists for `create`, `list` and `get`.
    /// nulls: whether fields without a value are `"present"` (when left out) as null, or `"absent"`.
    /// created_status: the status of a response with a new key: 201 (when left out) or 200.
    #[pyo3(
        signature = (**options),
        text_signature = "($self, *, credentials=None, realm=None, trusted_proxies=None, routes=None, default=None, errors=None, deprecation_headers=None, rate_limit_headers=None, session=None, keys_may_manage=None, revoke_children=None, self_service=None, origins=None, preflight=None, forward_auth=None, agent_header=None, path=None, mount=None, rewrites=None, casing=None, list=None, secret_field=None, revoked=None, fields=None, nulls=None, created_status=None)"
    )]
    fn http(&self, py: Python<'_>, options: Option<Keywords<'_, '_>>) -> PyResult<Http> {
        Http::new(&self.0, py, options)
    }

    /// Writes the counters to the database. This also happens every second, in `close`, and when Python exits.
    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        let kw = self.0.clone();
        or_raise(py, wait_and_finish(py, async move { kw.flush().await })?)
    }

    /// Waits until `on_event` was called with what has happened by now, or was too slow for it.
    fn _flush_events(&self, py: Python<'_>) {
        py.detach(|| block_on(self.0.flush_events()));
    }

    /// Writes down what was counted, and closes the database. A second call does nothing.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let kw = self.0.clone();
        wait_and_finish(py, async move { kw.close().await })
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        // Verifying no credential needs no store. It raises when the engine is closed.
        Decision::of(slf.py(), block_on(slf.get().0.verify(None::<&str>, &Request::new())))?;
        Ok(slf)
    }

    /// Closes. After an interrupt it does not wait for a lock.
    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, pyo3::types::PyTuple>) -> PyResult<()> {
        if was_interrupted() {
            let kw = self.0.clone();
            wait_for_shutdown(py, move || block_on(kw.close()));
            return Ok(());
        }
        self.close(py)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Keywright holds an open database; make one where it is used"))
    }
}

/// Registers the hooks for children of multiprocessing, before the first engine of a process and of the children it forks.
fn watch_children(py: Python<'_>) -> PyResult<()> {
    static WATCHED: PyOnceLock<()> = PyOnceLock::new();
    WATCHED.get_or_try_init(py, || py.import("keywright.children")?.call_method0("watch").map(drop)).copied()
}

/// Writes the counters of open engines, and delivers their events, before Python ends.
#[pyfunction]
pub(crate) fn _flush_open(py: Python<'_>) {
    wait_for_shutdown(py, || {
        ffi::flush_open();
        ffi::end_events();
    });
}
