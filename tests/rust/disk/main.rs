//! The disk fails: power is lost between any two writes, or a call to the operating system is refused. All of it is
//! made to happen by a shim below SQLite, which also refuses temporary files, which is why these tests are a program of their own.

#![deny(unsafe_code)]

mod calls;
mod power;
mod remains;
mod rest;
mod temporary;
mod together;
mod vfs;
mod watch;
