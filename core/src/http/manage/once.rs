//! Changes that are made once, however often their request is sent.

use serde::Serialize;
use serde_json::json;

use super::Answer;
use super::route::{Found, Route};
use super::who::Who;
use crate::error::Error;
use crate::http::Http;
use crate::http::message::Message;
use crate::http::once::REPLAYED;
use crate::http::refusal::Refusal;
use crate::idempotency::{self, Attempt, Outcome};
use crate::input::Value;
use crate::record::{Key, KeyId};

/// A key whose text was shown before, and is known to nobody here.
#[derive(Serialize)]
struct Reissued {
    #[serde(flatten)]
    key: Key,
    api_key: (),
}

impl Http {
    /// Takes a route, or answers as it did when the same request came before.
    pub(super) async fn act_once(
        &self,
        message: &Message,
        found: Found,
        given: Vec<(String, Value)>,
        who: &Who,
    ) -> Result<Answer, Refusal> {
        let Found { route, subject } = found;
        let attempt = if route.is_done_once() { self.managing(message, who)? } else { None };
        let Some(attempt) = attempt else { return self.act(route, subject, given, who, None).await };
        // Looked for first: what a repeat asks for may have become impossible since, and a hash is not made twice.
        if let Some(answer) = self.again(&attempt, route, who).await? {
            return Ok(answer);
        }
        match self.act(route, subject, given, who, Some(attempt.clone())).await {
            // The same request came at the same time, and was first.
            Err(refusal) if refusal.is_in_progress() => self.again(&attempt, route, who).await?.ok_or(refusal),
            done => done,
        }
    }

    /// The attempt that a management request is, where it names one.
    fn managing(&self, message: &Message, who: &Who) -> Result<Option<Attempt>, Error> {
        message.read(|head| {
            let Some(key) = idempotency::read(head.values("idempotency-key"))? else { return Ok(None) };
            let request = [b"manage", head.method.as_bytes(), head.target(), message.bytes()];
            Ok(self.attempt(&who.principal(), who.agent.as_deref(), &key, request))
        })
    }

    /// The answer to a request that came before, made from what it has changed, as that is now.
    async fn again(&self, attempt: &Attempt, route: Route, who: &Who) -> Result<Option<Answer>, Refusal> {
        let Some(Outcome::Changed(changed)) = self.kw.repeated(attempt).await? else { return Ok(None) };
        let mut answer = match route {
            Route::DisableOrg | Route::EnableOrg => Answer::of(200, &self.kw.orgs().get(&changed).await?),
            Route::Attest | Route::AttestSelf => {
                let (first, count) = changed.split_once('+').unwrap_or_default();
                let (first, count) = (first.parse().unwrap_or_default(), count.parse().unwrap_or_default());
                Answer::of(201, &json!({"data": self.keys_of(who)?.told(first, count).await?}))
            }
            Route::RevokeKeys => Answer::of(200, &json!({"revoked": changed.parse::<u64>().ok()})),
            _ => {
                let key = self.keys_of(who)?.get(KeyId::Text(changed)).await?;
                match route {
                    Route::Create => Answer::of(201, &Reissued { key, api_key: () }),
                    Route::Rotate | Route::RotateSelf => Answer::of(200, &Reissued { key, api_key: () }),
                    _ => Answer::of(200, &key),
                }
            }
        }?;
        answer.headers.push(REPLAYED);
        Ok(Some(answer))
    }
}
