//! The parts that connections to any server share: the runtime, TLS, the parts of a URL, and failures of the
//! network.

pub(crate) mod failure;
#[cfg(feature = "provider")]
pub(crate) mod get;
#[cfg(feature = "webhooks")]
pub(crate) mod post;
#[cfg(any(feature = "client", feature = "postgres", feature = "redis", feature = "webhooks"))]
pub(crate) mod retry;
pub(crate) mod runtime;
#[cfg(any(feature = "client", feature = "postgres", feature = "provider", feature = "webhooks"))]
pub(crate) mod tls;
pub(crate) mod url;
#[cfg(any(feature = "provider", feature = "webhooks"))]
pub(crate) mod web_address;
#[cfg(any(feature = "provider", feature = "webhooks"))]
pub(crate) mod web_client;
#[cfg(feature = "client")]
pub(crate) mod with_runtime;
