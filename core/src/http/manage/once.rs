//! Changes that are made once, however often their request is sent.

use serde::Serialize;
use serde_json::{Value, json};

use super::act::shown;
use super::route::{Found, Route};
use super::who::Who;
use crate::error::Error;
use crate::http::message::Message;
use crate::http::once::REPLAYED;
use crate::http::refusal::Refusal;
use crate::http::{Header, Http};
use crate::idempotency::{self, IdempotentRequest, RequestOutcome};
use crate::input::Fields;
use crate::record::{Key, KeyId};

/// A key whose text was shown before, and is known to nobody here.
#[derive(Serialize)]
struct Reissued {
    #[serde(flatten)]
    key: Key,
    api_key: (),
}

impl Http {
    /// Takes a route, or shows what it did when the same request came before, and says so.
    pub(super) async fn act_once(
        &self,
        message: &Message,
        found: Found,
        given: Fields,
        who: &Who,
    ) -> Result<(Value, Option<Header>), Refusal> {
        let Found { route, subject } = found;
        let attempt = if route.is_done_once() { self.managing(message, who)? } else { None };
        let Some(attempt) = attempt else {
            return self.act(route, subject, given, who, None).await.map(|it| (it, None));
        };
        // Looked for first: what a repeat asks for may have become impossible since, and a hash is not made twice.
        if let Some(shown) = self.again(&attempt, route, who).await? {
            return Ok((shown, Some(REPLAYED)));
        }
        match self.act(route, subject, given, who, Some(attempt.clone())).await {
            // The same request came at the same time, and was first.
            Err(refusal) if refusal.is_in_progress() => {
                let shown = self.again(&attempt, route, who).await?.ok_or(refusal)?;
                Ok((shown, Some(REPLAYED)))
            }
            done => done.map(|it| (it, None)),
        }
    }

    /// The attempt that a management request is, where it names one.
    fn managing(&self, message: &Message, who: &Who) -> Result<Option<IdempotentRequest>, Error> {
        message.read(|head| {
            let Some(key) = idempotency::parse_header(head.values("idempotency-key"))? else { return Ok(None) };
            let request = [b"manage", head.method.as_bytes(), head.target(), message.bytes()];
            self.attempt(&who.principal(), who.agent.as_deref(), &key, request)
        })
    }

    /// The answer to a request that came before, made from what it has changed, as that is now.
    async fn again(&self, attempt: &IdempotentRequest, route: Route, who: &Who) -> Result<Option<Value>, Refusal> {
        let changed = match self.kw.repeated(attempt).await? {
            Some(RequestOutcome::Changed(changed)) => changed,
            Some(RequestOutcome::Full(until)) => return Err(self.full(until)),
            _ => return Ok(None),
        };
        let shown = match route {
            Route::DisableOrg | Route::EnableOrg => shown(&self.kw.orgs().get(&changed).await?),
            Route::Attest | Route::AttestSelf => {
                let (first, count) = changed.split_once('+').unwrap_or_default();
                let (first, count) = (first.parse().unwrap_or_default(), count.parse().unwrap_or_default());
                Ok(json!({"data": self.keys_of(who)?.attested(first, count).await?}))
            }
            Route::RevokeKeys => Ok(json!({"revoked": changed.parse::<u64>().ok()})),
            _ => {
                let key = self.keys_of(who)?.get(KeyId::Text(changed)).await?;
                match route {
                    Route::Create | Route::Rotate | Route::RotateSelf => shown(&Reissued { key, api_key: () }),
                    _ => shown(&key),
                }
            }
        }?;
        Ok(Some(shown))
    }
}
