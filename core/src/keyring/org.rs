use std::sync::Arc;

use super::{Audit, Engine, Keys, authenticated};
use crate::decision::{Allowed, Decision, Denial, Request};
use crate::store::Tenant;
use crate::verify::Presented;

/// A handle for one org, or for every org. [`Keywright::org`](super::Keywright::org) and
/// [`Keywright::every_org`](super::Keywright::every_org) return it.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// # let new = kw.keys().create(keywright::NewKey::named("CI").scopes("deals:read")?).await?;
/// let acme = kw.org("acme")?;
/// let key = acme.keys().create(keywright::NewKey::named("CI")).await?;
/// assert_eq!(key.org, "acme");
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Org {
    pub(super) engine: Arc<Engine>,
    pub(super) tenant: Tenant,
}

impl Org {
    /// The keys of the org.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys::new(Arc::clone(&self.engine), self.tenant.clone())
    }

    /// The audit entries of the org.
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit::of(Arc::clone(&self.engine), self.tenant.clone())
    }

    /// Verifies a key of this org. A key of another org is `invalid`.
    pub async fn verify(&self, presented: impl Into<Presented<'_>>, request: &Request) -> Decision {
        self.engine.verifier.verify(&self.tenant, presented.into(), request.into()).await
    }

    /// See [`Keywright::try_verify`](super::Keywright::try_verify).
    pub fn try_verify<'a>(&self, presented: impl Into<Presented<'a>>, request: &Request) -> Option<Decision> {
        self.engine.verifier.try_verify(&self.tenant, presented.into(), request.into())
    }

    /// Verifies a key, and returns a denial as the error.
    ///
    /// # Errors
    /// The denial.
    pub async fn authenticate(
        &self,
        presented: impl Into<Presented<'_>>,
        request: &Request,
    ) -> Result<Allowed, Box<Denial>> {
        authenticated(self.verify(presented, request).await)
    }
}
