//! The HTTP contract in process: the vectors, authentication, sessions, management, idempotency, receipts, and the axum adapter;
//! and the client with a server.

mod authenticate;
mod axum;
mod client;
mod manage;
mod once;
mod provider;
mod receipt;
#[cfg(unix)]
mod scenarios;
mod session;
mod vectors;
