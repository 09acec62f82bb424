//! Imports that are killed, and their progress.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;

use keywright_tests::site::Site;
use serde_json::Value as Json;

use super::pipes::{on_narrow_terminal, on_terminal, prepared, words};
use super::{Deadline, finish, program};

pub(super) const IMPORT: [&str; 8] =
    ["import", "--from", "generic", "--format", "old.{lookup:8}.{secret:32}", "--hashed", "secret", "keys.jsonl"];

/// The secret of every key: a fast hash of it, which the lookups tell apart.
const SECRET: &str = "an_old_secret_of_32_characters__";
const VERIFIER: &str = "sha256$ed07f37cafe3b1e122eb0b4223fac27d181e9a33af15f231f23cc65c28cc5fc8";

/// One row in so many cannot be read in the file of a large import.
const BROKEN_EVERY: usize = 1_000;

/// The rows of a large import. `tests/run.sh imports` sets more than a test of every day takes.
fn many() -> usize {
    std::env::var("IMPORT_ROWS").map_or(12_000, |rows| rows.parse().unwrap())
}

/// Breaks rows of the file of keys, and returns their lines.
fn break_rows(site: &Site) -> BTreeSet<u64> {
    let path = site.folder().join("keys.jsonl");
    let (mut broken, mut rows) = (BTreeSet::new(), String::new());
    for (line, row) in (1..).zip(std::fs::read_to_string(&path).unwrap().lines()) {
        let is_broken = line % BROKEN_EVERY == BROKEN_EVERY / 2;
        broken.extend(is_broken.then_some(line as u64));
        writeln!(rows, "{}", if is_broken { &row[..row.len() / 2] } else { row }).unwrap();
    }
    std::fs::write(path, rows).unwrap();
    broken
}

/// Writes a file of so many keys.
pub(super) fn write_keys(site: &Site, count: usize) {
    let mut rows = String::new();
    for number in 0..count {
        let line = format!(r#"{{"name":"key {number}","lookup":"{number:08}","verifier":"{VERIFIER}"}}"#);
        writeln!(rows, "{line}").unwrap();
    }
    std::fs::write(site.folder().join("keys.jsonl"), rows).unwrap();
}

/// Reads the report of an import up to a line, kills it with SIGKILL, and returns the lines of all rows that it had reported.
fn killed_after(child: &mut Child, line: u64) -> BTreeSet<u64> {
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let (mut reported, mut text) = (BTreeSet::new(), String::new());
    let mut read = |stdout: &mut BufReader<_>, reported: &mut BTreeSet<u64>| {
        text.clear();
        let length = stdout.read_line(&mut text).unwrap();
        // The last line may be cut.
        if let Some(line) = serde_json::from_str::<Json>(&text).ok().and_then(|row| row["line"].as_u64()) {
            reported.insert(line);
        }
        length > 0
    };
    while reported.last().is_none_or(|last| *last < line) {
        assert!(read(&mut stdout, &mut reported), "the import ended before line {line}");
    }
    child.kill().unwrap();
    while read(&mut stdout, &mut reported) {}
    child.wait().unwrap();
    reported
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let count = many();
    let site = prepared(0);
    write_keys(&site, count);
    let broken = break_rows(&site);
    let line: Vec<&str> = IMPORT.into_iter().chain(["--skip-broken", "--json"]).collect();
    let mut reported = BTreeSet::new();
    for stop in [500, count as u64 / 3, count as u64 * 3 / 4] {
        let mut child = program(site.folder(), &words(&line)).spawn().unwrap();
        let _deadline = Deadline::of(&child);
        reported.extend(killed_after(&mut child, stop));
    }
    let done = finish(program(site.folder(), &words(&line)), "");
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let rows: Vec<Json> = done.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let (total, rows) = rows.split_last().unwrap();
    let of = |result: &str| rows.iter().filter(|row| row["result"] == result).count() as u64;
    assert_eq!((total["rows"].as_u64(), total["refused"].as_u64()), (Some(count as u64), Some(broken.len() as u64)));
    assert_eq!((total["imported"].as_u64(), total["existing"].as_u64()), (Some(of("imported")), Some(of("existing"))));
    let refused: BTreeSet<u64> =
        rows.iter().filter(|row| row["result"] == "refused").map(|row| row["line"].as_u64().unwrap()).collect();
    assert_eq!(refused, broken);
    let keys = count - broken.len();
    assert_eq!(of("imported") + of("existing"), keys as u64);
    // A row that an import has reported is never lost.
    let lost =
        rows.iter().filter(|row| row["result"] == "imported" && reported.contains(&row["line"].as_u64().unwrap()));
    assert_eq!(lost.count(), 0);
    let check = finish(program(site.folder(), &words(&["audit", "verify", "--json"])), "");
    let check: Json = serde_json::from_slice(&check.stdout).unwrap();
    // The first entry is that of the org.
    assert_eq!((&check["ok"], &check["checked"]), (&true.into(), &(keys + 1).into()));
    for (number, code) in
        [(0, "allowed"), (count - 1, "allowed"), (count, "invalid"), (BROKEN_EVERY / 2 - 1, "invalid")]
    {
        let verified =
            finish(program(site.folder(), &words(&["verify", "--quiet"])), &format!("old.{number:08}.{SECRET}"));
        assert_eq!(String::from_utf8_lossy(&verified.stdout).trim(), code);
    }
}

#[test]
fn the_progress_is_told_on_a_terminal_and_goes_to_no_file() {
    let site = prepared(0);
    write_keys(&site, 2_500);
    let quoted = IMPORT.map(|word| format!("'{word}'")).join(" ");
    let (shown, code) = on_terminal(&site, &format!("{quoted} > report"), "2500 of 2500 rows, ", "");
    assert!(shown.contains("bytes checked") && shown.contains(" a second, 0 s left"), "{shown}");
    assert_eq!(code, Some(0));
    let mut report = String::new();
    std::fs::File::open(site.folder().join("report")).unwrap().read_to_string(&mut report).unwrap();
    assert_eq!((report.lines().count(), report.contains("a second")), (2_501, false));
}

#[test]
fn the_progress_fits_a_narrow_terminal_and_its_end_is_told_once() {
    let site = prepared(0);
    write_keys(&site, 3_000);
    let quoted = IMPORT.map(|word| format!("'{word}'")).join(" ");
    let (shown, code) = on_narrow_terminal(&site, 30, &format!("{quoted} > report"), "3000 of 3000 rows, ", "");
    assert_eq!(code, Some(0));
    let told: Vec<&str> =
        shown.split("\r\u{1b}[K").skip(1).map(|part| part.lines().next().unwrap_or_default()).collect();
    assert!(told.iter().all(|line| line.chars().count() < 30), "{told:?}");
    assert_eq!(told.iter().filter(|line| line.starts_with("3000 of 3000 rows")).count(), 1, "{told:?}");
}
