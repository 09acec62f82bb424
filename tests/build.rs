//! Takes the Rust programs out of the README and of pages of the guide, so that the examples of these names are the programs.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    for (page, name) in [
        ("../README.md", "readme.rs"),
        ("../core/guide/client.md", "client.rs"),
        ("../core/guide/postgresql.md", "postgresql.rs"),
    ] {
        let page = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap()).join(page);
        println!("cargo::rerun-if-changed={}", page.display());
        let text = fs::read_to_string(page).unwrap();
        let (_, rest) = text.split_once("```rust").expect("the page has a Rust program");
        let (program, _) = rest.split_once('\n').and_then(|(_, rest)| rest.split_once("```")).unwrap();
        fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap()).join(name), program).unwrap();
    }
}
