//! CORS preflights: the `OPTIONS` request by which a browser asks whether a page may send another one.

use std::borrow::Cow;

use super::{Head, Http, Needs, Response};

/// The layer that answers CORS preflights. A browser sends them without credentials, so no handler may run for one.
///
/// ```
/// use keywright::http::{Config, Preflight};
/// let config = Config::new().preflight(Preflight::Pass);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preflight {
    /// The guard answers 204, permits nothing, and runs nothing behind it. A CORS layer stands in front of the guard. In
    /// forward authentication a preflight is a request like any other, and is refused without a key.
    #[default]
    Answer,
    /// The guard of an application hands it on to the CORS layer behind it. A guard of one route, which gets [`Needs`], still
    /// answers, because only a handler stands behind it. A question that no browser writes so, such as one without an origin's name, twice the same header or a
    /// method override, is a request like any other.
    Pass,
}

impl Preflight {
    pub(super) const ALL: [(&'static str, Self); 2] = [("answer", Self::Answer), ("pass", Self::Pass)];
}

impl Http {
    /// Whether the guard answers a request itself because it is a preflight.
    pub(super) fn answers_preflight(&self, head: &Head<'_>, needs: Option<&Needs>) -> bool {
        head.is_preflight() && (needs.is_some() || self.plan.preflight == Preflight::Answer)
    }

    /// Whether a request is a preflight for the CORS layer behind the guard.
    pub(super) fn passes_preflight(&self, head: &Head<'_>) -> bool {
        head.is_browsers_preflight() && self.plan.preflight == Preflight::Pass
    }

    /// The answer to a preflight: it permits no origin anything.
    pub(super) fn preflight(&self, request_id: Cow<'static, str>) -> Response {
        Response { status: 204, headers: self.plan.manner.headers_of(request_id).into(), body: Vec::new() }
    }
}
