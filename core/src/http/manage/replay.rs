//! Idempotent management requests: a repeat gets a response from what the first one changed.

use serde::Serialize;
use serde_json::{Value, json};

use super::caller::ManagementCaller;
use super::dispatch::to_json;
use super::route::{ManagementRoute, MatchedRoute};
use crate::error::Error;
use crate::http::idempotent_request::REPLAYED;
use crate::http::message::Message;
use crate::http::refusal::Refusal;
use crate::http::{Header, Http};
use crate::idempotency::{self, IdempotentRequest, RequestOutcome};
use crate::input::Fields;
use crate::record::{Key, KeyId};

/// A key that was issued before. Its text was shown then, and is not stored.
#[derive(Serialize)]
struct ReplayedKey {
    #[serde(flatten)]
    key: Key,
    api_key: (),
}

impl Http {
    /// Runs the call of a route, or replays it if the same request came before. A replay adds a header.
    pub(super) async fn dispatch_once(
        &self,
        message: &Message,
        matched: MatchedRoute,
        given: Fields,
        caller: &ManagementCaller,
    ) -> Result<(Value, Option<Header>), Refusal> {
        let MatchedRoute { route, subject } = matched;
        let attempt = if route.is_idempotent() { self.management_attempt(message, caller)? } else { None };
        let Some(attempt) = attempt else {
            return self.dispatch(route, subject, given, caller, None).await.map(|record| (record, None));
        };
        // First, because the call of a repeat may have become impossible since, and would hash a second time.
        if let Some(record) = self.replay(&attempt, route, caller).await? {
            return Ok((record, Some(REPLAYED)));
        }
        match self.dispatch(route, subject, given, caller, Some(attempt.clone())).await {
            // The same request came at the same time, and ran first.
            Err(refusal) if refusal.is_in_progress() => {
                let record = self.replay(&attempt, route, caller).await?.ok_or(refusal)?;
                Ok((record, Some(REPLAYED)))
            }
            result => result.map(|record| (record, None)),
        }
    }

    /// The attempt of a request with an idempotency key.
    fn management_attempt(
        &self,
        message: &Message,
        caller: &ManagementCaller,
    ) -> Result<Option<IdempotentRequest>, Error> {
        message.with_head(|head| {
            let Some(key) = idempotency::parse_header(head.values("idempotency-key"))? else { return Ok(None) };
            let request = [b"manage", head.method.as_bytes(), head.target(), message.bytes()];
            self.attempt(&caller.principal(), caller.agent.as_deref(), &key, request)
        })
    }

    /// The record to show for a repeat: the present state of what the first request changed.
    async fn replay(
        &self,
        attempt: &IdempotentRequest,
        route: ManagementRoute,
        caller: &ManagementCaller,
    ) -> Result<Option<Value>, Refusal> {
        let changed = match self.kw.repeated(attempt).await? {
            Some(RequestOutcome::Changed(changed)) => changed,
            Some(RequestOutcome::Full(until)) => return Err(self.too_many_stored(until)),
            _ => return Ok(None),
        };
        let record = match route {
            ManagementRoute::DisableOrg | ManagementRoute::EnableOrg => to_json(&self.kw.orgs().get(&changed).await?),
            ManagementRoute::Attest | ManagementRoute::AttestSelf => {
                let (first, count) = changed.split_once('+').unwrap_or_default();
                let (first, count) = (first.parse().unwrap_or_default(), count.parse().unwrap_or_default());
                Ok(json!({"data": self.keys_of(caller)?.attested(first, count).await?}))
            }
            ManagementRoute::Credit => {
                let (key_id, name) = changed.split_once('+').unwrap_or_default();
                to_json(&self.keys_of(caller)?.credited(key_id, name).await?)
            }
            ManagementRoute::RevokeKeys => Ok(json!({"revoked": changed.parse::<u64>().ok()})),
            _ => {
                let key = self.keys_of(caller)?.get(KeyId::Text(changed)).await?;
                match route {
                    ManagementRoute::Create | ManagementRoute::Rotate | ManagementRoute::RotateSelf => {
                        to_json(&ReplayedKey { key, api_key: () })
                    }
                    _ => to_json(&key),
                }
            }
        }?;
        Ok(Some(record))
    }
}
