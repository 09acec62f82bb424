//! The Rust program of the guide's page on PostgreSQL.

include!(concat!(env!("OUT_DIR"), "/postgresql.rs"));
