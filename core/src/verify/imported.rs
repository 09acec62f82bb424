//! Verification of keys that another product has issued.

use zeroize::Zeroizing;

use super::process::ProcessState;
use super::{Judgement, SecretOf, Verifier, denied, invalid};
use crate::decision::{Code, Decision, Denial, RequestContext};
use crate::key::{ForeignFormat, ForeignText};
use crate::store::{LookupResult, Store, Tenant};
use crate::wait::join_all;

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
        let read = known.formats.iter().filter_map(|format| Some((format, format.read(text)?)));
        let read: Vec<(&ForeignFormat, ForeignText<'_>)> = read.collect();
        let generation = process.cache.generation();
        // A store on another machine answers all questions in one round trip.
        let rows = join_all(read.iter().map(|(_, parts)| self.store.find(&parts.lookup, now))).await;
        let text = str::from_utf8(matched.rest).map_err(|_| invalid())?;
        for ((format, parts), row) in read.into_iter().zip(rows) {
            let row = row.map_err(|error| Denial::from_error(&error))?;
            let belongs =
                |row: &LookupResult| tenant.sees(&row.view.key.org) && row.secret.format == format.to_string();
            let Some(found) = row.filter(belongs) else { continue };
            let whole = Some(Zeroizing::new(text.to_owned()));
            let presented = SecretOf { lookup: &parts.lookup, secret: parts.secret, text: whole };
            match self.admit(process, found, presented, matched, generation, now).await {
                Ok(key) => return Ok(self.judge(process, key, context, self.clock.coarse_now())),
                // Another format may read the same text, and find its key.
                Err(denial) if denial.code == Code::Invalid => {}
                // The text may be that of this key, which may be revoked.
                Err(denial) => return Err(denial),
            }
        }
        Err(invalid())
    }
}
