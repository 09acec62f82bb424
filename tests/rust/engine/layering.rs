//! The rules for imports, read from the sources: the layers of the core, no circle between its files, its two unsafe files, and
//! how little the bindings may know. And each type of the core has a name of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules of the core from the ground up. A module imports from its own layer and from those before it.
const LAYERS: [&[&str]; 7] = [
    &["sys", "error", "clock", "entropy", "casing", "record", "input", "wait", "fork", "worker", "health", "remote"],
    &["key", "hash", "scope", "level", "network", "limit", "idempotency"],
    &["lifecycle", "decision", "rights", "audit"],
    &["store"],
    &["events", "verify", "usage", "webhooks", "keyring"],
    &["http", "cli", "client", "bin", "server", "integrations"],
    &["lib", "blocking", "testing", "guide", "ffi"],
];

/// The frameworks that only `integrations` and `server` may see in the core.
const FRAMEWORKS: [&str; 11] =
    ["pyo3", "napi", "napi_derive", "axum", "tower", "tower_http", "actix_web", "rocket", "warp", "poem", "salvo"];

/// All that a binding may import: the core, its host, and what turns one's values into the other's.
const BINDING: [&str; 14] = [
    "keywright",
    "pyo3",
    "napi",
    "napi_derive",
    "tokio",
    "chrono",
    "serde",
    "serde_json",
    "libc",
    "std",
    "core",
    "crate",
    "self",
    "super",
];

const UNSAFE: [&str; 2] = ["limit/machine/table.rs", "sys/wal_index.rs"];
const SHAPELESS: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"];

/// A source file of one crate: where it is below `src`, and its code without comments, literals and unit tests.
struct Source {
    file: String,
    code: String,
}

impl Source {
    fn new(file: &str, text: &str) -> Self {
        Self { file: file.to_owned(), code: code(text) }
    }

    /// The module it is, from the crate's root: `store/sqlite/mod.rs` is `store::sqlite`.
    fn module(&self) -> Vec<&str> {
        let mut path: Vec<&str> = self.file.trim_end_matches(".rs").split('/').collect();
        path.pop_if(|it| *it == "mod" || *it == "lib");
        path
    }

    /// Every path into its own crate, from the root: `use crate::{clock::Millis, error}` gives two.
    fn imports(&self) -> Vec<Vec<String>> {
        let mut out = Vec::new();
        for (root, rest) in roots(&self.code) {
            let mut base = self.module();
            let mut rest = rest;
            match root {
                "crate" => base.clear(),
                "super" => {
                    base.pop();
                    while let Some(after) = rest.strip_prefix("::super") {
                        base.pop();
                        rest = after;
                    }
                }
                _ => continue,
            }
            for end in ends(rest.trim_start_matches("::")) {
                out.push(base.iter().map(|it| (*it).to_owned()).chain(end.iter().map(|it| (*it).to_owned())).collect());
            }
        }
        out
    }
}

/// The text without comments, string and character literals, and without the unit tests at its foot.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |it| it + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |it| it + 5)
        } else if next == '"' {
            literal(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        out.push(' ');
        rest = &rest[skipped..];
    }
    out
}

/// The length of the string literal at the beginning of `text`.
fn literal(text: &str) -> usize {
    let mut escaped = false;
    for (index, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word(text: &str) -> &str {
    &text[..text.find(|it| !is_word(it)).unwrap_or(text.len())]
}

/// The first word of every path with `::`, and what follows it.
fn roots(code: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    let mut before = ' ';
    let mut rest = code;
    while let Some(next) = rest.chars().next() {
        let root = word(rest);
        if root.is_empty() {
            before = next;
            rest = &rest[next.len_utf8()..];
            continue;
        }
        let after = &rest[root.len()..];
        if before != ':' && after.starts_with("::") {
            out.push((root, after));
        }
        before = 'x';
        rest = after;
    }
    out
}

/// The paths that a path ends in: one, or those in braces.
fn ends(text: &str) -> Vec<Vec<&str>> {
    let text = text.trim_start();
    let Some(inside) = text.strip_prefix('{') else {
        let head = word(text);
        let Some(after) = text[head.len()..].strip_prefix("::") else { return vec![vec![head]] };
        return ends(after).into_iter().map(|it| [vec![head], it].concat()).collect();
    };
    let mut out = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (index, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                out.extend(ends(&inside[start..index]).into_iter().filter(|it| it != &[""]));
                start = index + 1;
                if letter == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    out
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|it| it.contains(&module))
}

/// The faults of one file of the core.
fn faults(source: &Source, engines: &[&str]) -> Vec<String> {
    let mut out = Vec::new();
    let module = source.module();
    let own = module.first().copied().unwrap_or("lib");
    let Some(height) = layer(own) else { return vec![format!("{}: is in no layer", source.file)] };
    let engine = |path: &[&str]| match path {
        ["store", it, ..] => engines.iter().copied().find(|engine| engine == it),
        _ => None,
    };
    for path in source.imports() {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let Some(target) = path.first() else { continue };
        let shown = path.join("::");
        match layer(target) {
            _ if height + 1 == LAYERS.len() || *target == own => {}
            None => out.push(format!("{}: {shown} is not imported from the module that owns it", source.file)),
            Some(it) if it > height => out.push(format!("{}: {own} may not import {shown}", source.file)),
            Some(_) => {}
        }
        if let (Some(mine), Some(other)) = (engine(&module), engine(&path))
            && mine != other
        {
            out.push(format!("{}: the store {mine} may not import the store {other}", source.file));
        }
    }
    let used: BTreeSet<&str> = roots(&source.code).into_iter().map(|it| it.0).collect();
    for name in FRAMEWORKS.iter().filter(|it| !["integrations", "server"].contains(&own) && used.contains(*it)) {
        out.push(format!("{}: the core may not see {name}", source.file));
    }
    if used.contains("hyper") && !["integrations", "server", "remote"].contains(&own) {
        out.push(format!("{}: only a server and a client of others may see hyper", source.file));
    }
    let system =
        ["rustix", "libc", "windows_sys"].iter().any(|name| used.contains(name)) || source.code.contains("std::os::");
    if own != "sys" && system {
        out.push(format!("{}: only sys may depend on the operating system", source.file));
    }
    if !UNSAFE.contains(&&*source.file) && source.code.split(|it| !is_word(it)).any(|it| it == "unsafe") {
        out.push(format!("{}: unsafe code is only in {}", source.file, UNSAFE.join(" and ")));
    }
    out
}

/// The files of the core by the modules that they are.
struct Tree<'a> {
    sources: &'a [Source],
    modules: BTreeMap<Vec<String>, usize>,
    /// The paths that each file imports by `use`, and those of them that it hands on by `pub use`.
    uses: Vec<Vec<Vec<String>>>,
    hands_on: Vec<Vec<Vec<String>>>,
}

impl<'a> Tree<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let module = |source: &Source| source.module().into_iter().map(str::to_owned).collect();
        let modules = sources.iter().enumerate().map(|(file, source)| (module(source), file)).collect();
        let mut tree = Self { sources, modules, uses: Vec::new(), hands_on: Vec::new() };
        tree.uses = (0..sources.len()).map(|file| tree.read_uses(file, "")).collect();
        tree.hands_on = (0..sources.len()).map(|file| tree.read_uses(file, "pub")).collect();
        tree
    }

    /// The paths from the root of the crate that `root` and the `::…` after it mean in a file, none for another crate's.
    fn absolute(&self, file: usize, root: &str, mut rest: &str) -> Vec<Vec<String>> {
        let mut base: Vec<String> = self.sources[file].module().into_iter().map(str::to_owned).collect();
        match root {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                base.pop();
                while let Some(after) = rest.strip_prefix("::super") {
                    base.pop();
                    rest = after;
                }
            }
            child => {
                base.push(child.to_owned());
                if !self.modules.contains_key(&base) {
                    return Vec::new();
                }
            }
        }
        let ends = ends(rest.trim_start_matches("::")).into_iter();
        ends.map(|end| base.iter().cloned().chain(end.into_iter().map(str::to_owned)).collect()).collect()
    }

    /// The paths of the `use` lines that begin with `start`.
    fn read_uses(&self, file: usize, start: &str) -> Vec<Vec<String>> {
        let code = &self.sources[file].code;
        let uses = code.match_indices("use ").filter(|(at, _)| {
            let line = code[..*at].rsplit('\n').next().unwrap_or_default();
            !line.ends_with(is_word) && line.trim_start().starts_with(start)
        });
        let paths = uses.flat_map(|(at, found)| {
            let path = code[at + found.len()..].trim_start();
            self.absolute(file, word(path), &path[word(path).len()..])
        });
        paths.collect()
    }

    /// The file that defines the last name of a path. A name that a module imports leads on to where it comes from.
    fn definition(&self, path: &[String]) -> Option<usize> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let depth = (0..=path.len()).rev().find(|depth| self.modules.contains_key(&path[..*depth]))?;
            let file = self.modules[&path[..depth]];
            let Some(name) = path.get(depth) else { return Some(file) };
            match self.uses[file].iter().find(|used| used.last() == Some(name) && used[..] != path[..=depth]) {
                Some(used) => path = [used, &path[depth + 1..]].concat(),
                None => return Some(file),
            }
        }
        None
    }

    /// The other files that define names which a file uses. A file may use all that the `mod.rs` of its own folders define:
    /// the folder's code is one thing in several files.
    fn needs(&self, file: usize) -> BTreeSet<usize> {
        let module = self.sources[file].module();
        let code = &self.sources[file].code;
        let paths = roots(code).into_iter().flat_map(|(root, rest)| self.absolute(file, root, rest));
        let handed_on = |path: &Vec<String>| {
            let name = path.last().map_or("", String::as_str);
            self.hands_on[file].contains(path) && code.split(|it| !is_word(it)).filter(|it| *it == name).count() == 1
        };
        let paths = paths.filter(|path| !handed_on(path));
        let needed = paths.filter_map(|path| self.definition(&path));
        needed.filter(|other| *other != file && !module.starts_with(&self.sources[*other].module())).collect()
    }

    /// The circles between files, each as the way around it.
    fn circles(&self) -> Vec<String> {
        let needs: Vec<_> = (0..self.sources.len()).map(|file| self.needs(file)).collect();
        let around = |start: usize| -> Option<Vec<usize>> {
            let mut ways = vec![vec![start]];
            let mut seen = BTreeSet::new();
            while let Some(way) = ways.pop() {
                for next in &needs[*way.last()?] {
                    if *next == start {
                        return Some([way, vec![start]].concat());
                    }
                    // Each circle is reported at the first of its files.
                    if *next > start && seen.insert(*next) {
                        ways.insert(0, [way.clone(), vec![*next]].concat());
                    }
                }
            }
            None
        };
        let shown =
            |way: Vec<usize>| way.iter().map(|file| &*self.sources[*file].file).collect::<Vec<_>>().join(" -> ");
        (0..self.sources.len()).filter_map(around).map(shown).collect()
    }
}

/// The names of the types that a file defines. In the public modules `blocking`, `http` and `integrations`, a public type
/// counts with its module, like `blocking::Keywright`. So do the types of `sys`, of whose files a build has only one.
fn types(source: &Source) -> Vec<String> {
    let path = source.module().join("::");
    let module = source.module().first().copied().unwrap_or_default();
    let facade = ["blocking", "http", "integrations"].contains(&module);
    let named = source.code.lines().filter_map(|line| {
        let (public, item) = match line.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => (false, rest.split_once(") ")?.1),
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let name = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|kind| item.strip_prefix(kind))?;
        Some(match module {
            _ if public && facade => format!("{module}::{}", word(name)),
            "sys" => format!("{path}::{}", word(name)),
            _ => word(name).to_owned(),
        })
    });
    named.collect()
}

/// The names that several types have, with their files.
fn namesakes(sources: &[Source]) -> Vec<String> {
    let mut files: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in sources {
        for name in types(source) {
            files.entry(name).or_default().push(&source.file);
        }
    }
    let several = files.into_iter().filter(|(_, files)| files.len() > 1);
    several.map(|(name, files)| format!("{name}: {}", files.join(", "))).collect()
}

/// The faults of one file of a binding.
fn overreach(source: &Source) -> Vec<String> {
    let mut known: BTreeSet<&str> = BINDING.into();
    for own in ["mod ", "macro_rules! "] {
        known.extend(source.code.split(own).skip(1).map(word));
    }
    let uses = source.code.split('\n').filter_map(|it| {
        let line = it.trim_start();
        let line = line.strip_prefix("pub(crate) ").or_else(|| line.strip_prefix("pub ")).unwrap_or(line);
        line.strip_prefix("use ").map(|it| word(it.trim_start_matches("::")))
    });
    let strange = uses.filter(|it| !known.contains(it) && it.chars().next().is_some_and(char::is_lowercase));
    strange.map(|it| format!("{}: a binding may not import {it}", source.file)).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files below a folder, as paths from it.
fn files(folder: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                out.push(path.strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
    }
    out.sort();
    out
}

fn sources(folder: &str) -> Vec<Source> {
    let folder = root().join(folder);
    let rust = files(&folder).into_iter().filter(|it| it.ends_with(".rs"));
    rust.map(|it| Source::new(&it, &std::fs::read_to_string(folder.join(&it)).unwrap())).collect()
}

/// The names under `[dependencies]` of a crate.
fn dependencies(krate: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
    let section = text.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter(|it| !it.trim().is_empty() && !it.starts_with('#'));
    names.map(|it| it.split(['.', '=', ' ']).next().unwrap().replace('-', "_")).collect()
}

#[test]
fn the_core_is_layered() {
    let sources = sources("core/src");
    assert!(sources.len() > 20, "the sources of the core were not found");
    let stores = sources.iter().filter(|it| it.code.contains("impl Store for"));
    let engines: Vec<&str> =
        stores.filter_map(|it| it.file.strip_prefix("store/")?.split_once('/')).map(|it| it.0).collect();
    assert!(engines.contains(&"sqlite"));
    let faults: Vec<String> = sources.iter().flat_map(|it| faults(it, &engines)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    let seen = dependencies("core").into_iter().find(|it| FRAMEWORKS[..3].contains(&it.as_str()));
    assert_eq!(seen, None, "the core depends on a binding's library");
}

#[test]
fn no_circle_ties_files_of_the_core() {
    let circles = Tree::new(&sources("core/src")).circles();
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn each_type_of_the_core_has_a_name_of_its_own() {
    let namesakes = namesakes(&sources("core/src"));
    assert!(namesakes.is_empty(), "\n{}", namesakes.join("\n"));
}

#[test]
fn each_circle_and_each_namesake_is_caught() {
    let files =
        |files: &[(&str, &str)]| -> Vec<Source> { files.iter().map(|(file, text)| Source::new(file, text)).collect() };
    let circles = |of: &[(&str, &str)]| Tree::new(&files(of)).circles().len();
    assert_eq!(circles(&[("a.rs", "use crate::b::B;"), ("b.rs", "")]), 0);
    assert_eq!(circles(&[("a.rs", "use crate::b::B;"), ("b.rs", "fn f() { crate::a::g() }")]), 1);
    // The way of a name through the module that hands it on, and a child that uses its parent.
    let folder = |one: &str| {
        [
            ("f/mod.rs", "mod one;\nmod two;\npub use two::Two;\nstruct F;"),
            ("f/one.rs", one),
            ("f/two.rs", "use super::one::One;"),
        ]
        .map(|(file, text)| (file.to_owned(), text.to_owned()))
    };
    let circles_of = |one: &str| {
        let folder = folder(one);
        circles(&folder.each_ref().map(|(file, text)| (file.as_str(), text.as_str())))
    };
    assert_eq!(
        (circles_of("use super::F;"), circles_of("use super::Two;"), circles_of("use crate::f::two;")),
        (0, 1, 1)
    );
    let caught = |of: &[(&str, &str)]| namesakes(&files(of)).len();
    assert_eq!(
        caught(&[
            ("a.rs", "pub(crate) struct A {}\nenum B {}"),
            ("b.rs", "type A = u8;\nimpl C {\n    type B = u8;\n}")
        ]),
        1
    );
    assert_eq!(
        caught(&[("blocking.rs", "pub struct A;"), ("a.rs", "pub struct A;"), ("http/a.rs", "pub enum A {}")]),
        0
    );
    assert_eq!(caught(&[("blocking.rs", "struct A;"), ("a.rs", "pub struct A;")]), 1);
}

#[test]
fn bindings_convert_and_call() {
    for krate in ["bindings-python", "bindings-node"] {
        let faults: Vec<String> = sources(&format!("{krate}/src")).iter().flat_map(overreach).collect();
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
        for name in dependencies(krate) {
            assert!(BINDING.contains(&name.as_str()), "{krate} depends on {name}");
        }
    }
}

#[test]
fn files_have_names() {
    for folder in
        ["core/src", "bindings-python/src", "bindings-node/src", "tests/rust", "tests/vectors", "tests/schema"]
    {
        for file in files(&root().join(folder)) {
            let shapeless = file.split('/').find(|it| SHAPELESS.contains(&it.split('.').next().unwrap_or(it)));
            assert_eq!(shapeless, None, "{folder}/{file}");
        }
    }
}

#[test]
fn each_forbidden_line_is_caught() {
    let caught = |file: &str, text: &str| faults(&Source::new(file, text), &["postgres", "sqlite"]).len();
    for (file, text, expected) in [
        ("clock.rs", "use crate::error::Error;", 0),
        ("clock.rs", "use crate::key::Formats;", 1),
        ("clock.rs", "use crate::{error::Error, key::{Formats, Shape}};", 2),
        ("clock.rs", "fn f() { crate::store::open() }", 1),
        ("clock.rs", "use super::store;", 1),
        ("clock.rs", "// use crate::store;\n/// [`crate::Decision`]\nfn f() { g(\"crate::store::open\") }", 0),
        ("clock.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::store; }", 0),
        ("clock.rs", "use crate::Error;", 1),
        ("key/format.rs", "use super::base62;\nuse crate::{clock, input};", 0),
        ("key/format.rs", "use super::super::store::Store;", 1),
        ("lifecycle.rs", "use crate::{hash, decision};", 0),
        ("lifecycle.rs", "use crate::keyring::Keyring;", 1),
        ("decision.rs", "use crate::\n    verify;", 1),
        ("store/mod.rs", "use sqlite::Sqlite;\nuse crate::store::postgres;", 0),
        ("store/mod.rs", "use crate::verify::Memory;", 1),
        ("store/sqlite/mod.rs", "use super::Row;\nuse crate::store::{Row, sqlite::schema};", 0),
        ("store/sqlite/mod.rs", "use super::postgres::Row;", 1),
        ("store/sqlite/read.rs", "use super::super::postgres;", 1),
        ("store/sqlite/read.rs", "use crate::store::{Row, postgres::Pool};", 1),
        ("keyring/mod.rs", "use crate::store::Store;", 0),
        ("keyring/mod.rs", "use crate::http::Response;", 1),
        ("lib.rs", "pub use keyring::Keyring;\npub use crate::testing;", 0),
        ("blocking.rs", "use crate::{Decision, wait};", 0),
        ("verify/mod.rs", "use pyo3::prelude::*;", 1),
        ("verify/mod.rs", "fn f() { napi::Error::new() }", 1),
        ("integrations/axum.rs", "use axum::Router;", 0),
        ("entropy.rs", "fn f() { unsafe { g() } }", 1),
        ("entropy.rs", "#![deny(unsafe_code)]\n// unsafe\n", 0),
        ("sys/wal_index.rs", "unsafe { g() }", 0),
        ("sys/unix.rs", "use std::os::unix::fs::MetadataExt;\nuse rustix::time::ClockId;", 0),
        ("clock.rs", "use rustix::time::ClockId;", 1),
        ("store/sqlite/files.rs", "use std::os::unix::fs::MetadataExt;", 1),
        ("stray.rs", "", 1),
    ] {
        assert_eq!(caught(file, text), expected, "{file}: {text}");
    }
    let strange = |text: &str| overreach(&Source::new("lib.rs", text)).len();
    assert_eq!(
        strange(
            "mod convert;\nuse convert::key;\nuse pyo3::prelude::*;\npub(crate) use keywright::Key;\nuse Casing::Snake;"
        ),
        0
    );
    assert_eq!(strange("use rusqlite::Connection;\nuse sha2::Sha256;"), 2);
}
