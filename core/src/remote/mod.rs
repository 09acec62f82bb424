//! What connections to servers have in common, whatever the server: the runtime, the parts of a URL, and failures of the network.

pub(crate) mod failure;
pub(crate) mod runtime;
pub(crate) mod url;
