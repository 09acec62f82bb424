//! Key management over the wire.

use super::message::Message;
use super::{Http, Response, Session};

impl Http {
    /// Answers a management request, on behalf of `session` where the host knows one, else of what the request presents.
    pub async fn manage(&self, message: Message, session: Option<Session>) -> Response {
        let _ = (message, session);
        super::refusal::Refusal::not_found().response(&self.plan.manner, "x".into(), false)
    }
}
