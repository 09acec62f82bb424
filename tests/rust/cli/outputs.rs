//! Reports and keys that cannot be written.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use keywright_tests::site::Site;

use super::import::{IMPORT, write_keys};
use super::pipes::{prepared, words};
use super::{finish, program};

/// Runs the program with a standard output that is a closed pipe, or a full disk.
fn unread(site: &Site, line: &[&str], is_closed: bool) -> Output {
    let mut command = program(site.folder(), &words(line));
    if is_closed {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stdout(writer);
    } else {
        command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
    }
    finish(command, "")
}

fn told(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn printed(site: &Site, line: &[&str]) -> String {
    let done = finish(program(site.folder(), &words(line)), "");
    assert!(done.status.success(), "{}", told(&done));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[test]
fn an_import_goes_on_when_nobody_reads_its_report() {
    let site = prepared(0);
    write_keys(&site, 6_000);
    let done = unread(&site, &IMPORT, true);
    assert_eq!(done.status.code(), Some(0), "{}", told(&done));
    assert!(told(&done).contains("6000 rows: 6000 imported, 0 there already, 0 refused."), "{}", told(&done));
    let line: Vec<&str> = IMPORT.into_iter().chain(["--quiet"]).collect();
    assert_eq!(printed(&site, &line), "0");
}

#[test]
fn an_import_whose_report_cannot_be_written_tells_how_far_it_is() {
    let site = prepared(0);
    write_keys(&site, 2_500);
    for line in [&IMPORT[..], &[&IMPORT[..], &["--json"]].concat(), &[&IMPORT[..], &["--quiet"]].concat()] {
        let done = unread(&site, line, false);
        assert_eq!(done.status.code(), Some(1), "{}", told(&done));
        assert!(told(&done).contains("the output cannot be written: the disk is full; "), "{}", told(&done));
        assert!(told(&done).contains(" of 2500 rows are imported, and the same command goes on"), "{}", told(&done));
    }
    let rest: Vec<&str> = IMPORT.into_iter().chain(["--json"]).collect();
    assert!(printed(&site, &rest).contains("\"rows\":2500"));
}

#[test]
fn a_key_whose_text_is_lost_is_named() {
    let site = prepared(1);
    let first = printed(&site, &["keys", "list", "--quiet"]);
    for is_closed in [true, false] {
        let done = unread(&site, &["keys", "create", "lost", "--quiet"], is_closed);
        assert_eq!(done.status.code(), Some(1), "{}", told(&done));
        let lost = printed(&site, &["keys", "list", "--name", "lost", "--quiet"]);
        assert!(told(&done).contains(&format!("revoke it with `keywright keys revoke {lost}`")), "{}", told(&done));
        printed(&site, &["keys", "revoke", &lost, "--yes"]);
        let done = unread(&site, &["keys", "rotate", &first, "--grace", "0", "--yes", "--json"], is_closed);
        assert_eq!(done.status.code(), Some(1), "{}", told(&done));
        assert!(told(&done).contains(&format!("keys rotate {first} --grace 0")), "{}", told(&done));
    }
}

#[test]
#[cfg(not(keywright_portable))]
fn no_key_is_made_for_a_closed_output() {
    let site = prepared(0);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{} keys create lost --quiet >&-", env!("CARGO_BIN_EXE_program"))]);
    shell.current_dir(site.folder()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = finish(shell, "");
    assert_eq!(done.status.code(), Some(1));
    assert!(told(&done).contains("standard output is closed, so the text of the key would be lost"), "{}", told(&done));
    assert!(!site.folder().join("keys.db").exists());
}
