//! The Rust program of the guide's page on clients.

include!(concat!(env!("OUT_DIR"), "/client.rs"));
