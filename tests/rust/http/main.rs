//! The HTTP contract in process: the vectors, authentication, sessions, management, idempotency, and the axum adapter.

mod authenticate;
mod axum;
mod manage;
mod once;
mod session;
mod vectors;
