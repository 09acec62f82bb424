//! Takes the Rust program out of the README, so that the example `readme` is that program.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let readme = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("../README.md");
    println!("cargo::rerun-if-changed={}", readme.display());
    let text = fs::read_to_string(readme).unwrap();
    let (_, rest) = text.split_once("```rust\n").expect("the README has a Rust program");
    let (program, _) = rest.split_once("```").unwrap();
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("readme.rs"), program).unwrap();
}
