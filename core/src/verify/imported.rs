//! Verification of keys that another product has issued.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::cached_key::CachedKey;
use super::process::ProcessState;
use super::{Judgement, SecretOf, Verifier, denied, invalid};
use crate::clock::Millis;
use crate::decision::{Code, Decision, Denial, RequestContext};
use crate::error::Error;
use crate::key::{ForeignFormat, ForeignText, MatchedText};
use crate::store::{Store, Tenant};

impl Verifier {
    /// Masks the secrets of imported keys in a text.
    pub(crate) fn redact_imported(&self, text: String) -> String {
        self.runtime.process().cache.imported().mask(text)
    }

    /// As [`try_verify`](Self::try_verify), for a text that no engine has made.
    #[inline(never)]
    pub(super) fn try_verify_imported(
        &self,
        tenant: &Tenant,
        text: &[u8],
        context: RequestContext<'_>,
    ) -> Option<Decision> {
        if !ForeignFormat::is_plausible(text) {
            return Some(denied(invalid()));
        }
        let (process, coarse_now) = (self.runtime.process(), self.clock.coarse_now());
        let imported = process.cache.imported();
        if imported.fit(text) {
            if !self.is_fresh(process, coarse_now) {
                return None;
            }
            let matched = process.cache.imported_text(text);
            let judgement = self.judge_cached(process, tenant, matched, context, coarse_now)?;
            return self.try_decide(process, judgement, context);
        }
        (imported.has_looked(coarse_now) || self.is_fresh(process, coarse_now)).then(|| denied(invalid()))
    }

    /// As [`load`](Self::load), for a text that no engine has made.
    pub(super) async fn load_imported(
        &self,
        process: &ProcessState,
        tenant: &Tenant,
        text: &[u8],
        context: RequestContext<'_>,
    ) -> Result<Judgement, Box<Denial>> {
        if !ForeignFormat::is_plausible(text) {
            return Err(invalid());
        }
        let (cache, now) = (&process.cache, self.clock.now());
        let imported = cache.imported();
        imported.note_look(now);
        if let Err(error) = cache.catch_up(&self.store, now).await {
            return Err(if imported.fit(text) { Denial::from_error(&error).into() } else { invalid() });
        }
        let matched = cache.imported_text(text);
        if let Some(judgement) = self.judge_cached(process, tenant, matched, context, self.clock.coarse_now()) {
            return Ok(judgement);
        }
        let known = imported.known();
        for format in &known.formats {
            let Some(parts) = format.read(text) else { continue };
            match self.load_foreign(process, tenant, (format, parts), matched, now).await {
                Ok(key) => return Ok(self.judge(process, key, context, self.clock.coarse_now())),
                // Another format may read the same text, and find its key.
                Err(denial) if denial.code == Code::Invalid => {}
                // The text may be that of this key, which may be revoked.
                Err(denial) => return Err(denial),
            }
        }
        Err(invalid())
    }

    /// Reads the key of a text from the store, verifies the secret and caches both.
    async fn load_foreign(
        &self,
        process: &ProcessState,
        tenant: &Tenant,
        (format, parts): (&ForeignFormat, ForeignText<'_>),
        matched: MatchedText<'_>,
        now: Millis,
    ) -> Result<Arc<CachedKey>, Box<Denial>> {
        let generation = process.cache.generation();
        let found = self.store.find(&parts.lookup, now).await.map_err(|error: Error| Denial::from_error(&error))?;
        let belongs = |of: &str, org: &str| tenant.sees(org) && of == format.to_string();
        let found = found.filter(|found| belongs(&found.secret.format, &found.view.key.org)).ok_or_else(invalid)?;
        let text = str::from_utf8(matched.rest).map_err(|_| invalid())?;
        let presented =
            SecretOf { lookup: &parts.lookup, secret: parts.secret, text: Some(Zeroizing::new(text.to_owned())) };
        self.admit(process, found, presented, matched, generation, now).await
    }
}
