//! CORS preflights: the `OPTIONS` requests by which browsers ask whether a page may send another request.

use std::borrow::Cow;

use super::{Head, Http, Needs, Response};

/// The layer that answers CORS preflights. Browsers send them without credentials, so no handler may run for one.
///
/// ```
/// use keywright::http::{Config, Preflight};
/// let config = Config::new().preflight(Preflight::Pass);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preflight {
    /// The guard answers 204, permits nothing, and runs nothing behind it. The CORS layer is in front of the guard. In
    /// forward authentication a preflight is judged like any other request, and refused without a key.
    #[default]
    Answer,
    /// The guard of an application passes preflights on to the CORS layer behind it. A guard of one route, which gets
    /// [`Needs`], still answers them, because it has only a handler behind it. A preflight that no browser sends is judged
    /// like any other request: one without the name of an origin, with a repeated header, or with a method override.
    Pass,
}

impl Preflight {
    pub(super) const ALL: [(&'static str, Self); 2] = [("answer", Self::Answer), ("pass", Self::Pass)];
}

impl Http {
    /// Whether the guard answers this request itself, because it is a preflight.
    pub(super) fn answers_preflight(&self, head: &Head<'_>, needs: Option<&Needs>) -> bool {
        head.is_preflight() && (needs.is_some() || self.config.options.preflight == Preflight::Answer)
    }

    /// Whether this is a preflight for the CORS layer behind the guard.
    pub(super) fn passes_preflight(&self, head: &Head<'_>) -> bool {
        head.is_browsers_preflight() && self.config.options.preflight == Preflight::Pass
    }

    /// The response to a preflight. It permits no origin anything.
    pub(super) fn preflight_response(&self, request_id: Cow<'static, str>) -> Response {
        Response { status: 204, headers: self.config.style.headers(request_id).into(), body: Vec::new() }
    }
}
