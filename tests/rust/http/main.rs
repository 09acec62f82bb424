//! The HTTP contract in process: the vectors, authentication, sessions, management, idempotency, receipts, and the axum adapter.

mod authenticate;
mod axum;
mod manage;
mod once;
mod provider;
mod receipt;
mod session;
mod vectors;
