//! The user guide: topics beyond single calls.

#[doc = include_str!("../guide/verification.md")]
pub mod verification {}

#[doc = include_str!("../guide/database.md")]
pub mod database {}

#[cfg(feature = "postgres")]
#[doc = include_str!("../guide/postgresql.md")]
pub mod postgresql {}

#[cfg(feature = "cli")]
#[doc = include_str!("../guide/cli.md")]
pub mod cli {}

#[cfg(feature = "cli")]
#[doc = include_str!("../guide/serve.md")]
pub mod serve {}

#[cfg(feature = "client")]
#[doc = include_str!("../guide/client.md")]
pub mod client {}

#[doc = include_str!("../guide/import.md")]
pub mod import {}

#[doc = include_str!("../guide/limits.md")]
pub mod limits {}

#[doc = include_str!("../guide/redis.md")]
pub mod redis {}

#[doc = include_str!("../guide/quotas.md")]
pub mod quotas {}

#[doc = include_str!("../guide/http.md")]
pub mod http {}

#[doc = include_str!("../guide/management.md")]
pub mod management {}

#[cfg(feature = "provider")]
#[doc = include_str!("../guide/sessions.md")]
pub mod sessions {}

#[doc = include_str!("../guide/spelling.md")]
pub mod spelling {}

#[doc = include_str!("../guide/agents.md")]
pub mod agents {}

#[doc = include_str!("../guide/idempotency.md")]
pub mod idempotency {}

#[doc = include_str!("../guide/events.md")]
pub mod events {}

#[cfg(feature = "webhooks")]
#[doc = include_str!("../guide/webhooks.md")]
pub mod webhooks {}

#[cfg(feature = "axum")]
#[doc = include_str!("../guide/axum.md")]
pub mod axum {}

#[doc = include_str!("../guide/usage.md")]
pub mod usage {}
