//! Closed pipes, signals and terminals.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use keywright_tests::site::Site;
use rustix::fs::OFlags;

use super::{Deadline, PATIENCE, finish, program};

pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A folder with the files of `init` and so many keys.
pub(super) fn prepared(keys: usize) -> Site {
    let site = Site::new();
    let run = |line: &[&str]| {
        let done = finish(program(site.folder(), &words(line)), "");
        assert!(done.status.success(), "{line:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["init", "acme"]);
    (0..keys).for_each(|number| run(&["keys", "create", &format!("key {number}")]));
    site
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let site = prepared(3);
    for line in [&["keys", "list"][..], &["--help"], &["audit", "list", "--json"], &["completions", "bash"]] {
        // The pipe is closed before the program writes.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = program(site.folder(), &words(line));
        command.stdout(writer);
        let done = finish(command, "");
        assert_eq!((done.status.code(), String::from_utf8_lossy(&done.stderr).as_ref()), (Some(0), ""), "{line:?}");
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let site = prepared(1);
    let mut command = program(site.folder(), &words(&["keys", "list"]));
    command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let done = finish(command, "");
    assert_eq!(done.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&done.stderr).contains("the output cannot be written"));
}

#[test]
fn a_signal_ends_a_program_that_waits_for_input() {
    let site = prepared(0);
    let pipe = site.folder().join("key");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut child = program(site.folder(), &words(&["verify", "--file", "key"])).spawn().unwrap();
    let _deadline = Deadline::of(&child);
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap();
    let (begun, mut writer) = (Instant::now(), None);
    while writer.is_none() {
        // Without the flag the call would wait for a reader, for ever if there is none.
        writer = OpenOptions::new().write(true).custom_flags(flags).open(&pipe).ok();
        assert!(begun.elapsed() < PATIENCE, "the program does not read the pipe");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

/// Runs the program on a terminal of its own, which `script` makes, and types `keys` after the prompt.
pub(super) fn on_terminal(site: &Site, line: &str, prompt: &str, keys: &str) -> (String, Option<i32>) {
    on_narrow_terminal(site, 80, line, prompt, keys)
}

/// As [`on_terminal`], on one with so many columns.
pub(super) fn on_narrow_terminal(
    site: &Site,
    columns: u16,
    line: &str,
    prompt: &str,
    keys: &str,
) -> (String, Option<i32>) {
    let typed = format!("stty rows 24 cols {columns}; {} {line}", env!("CARGO_BIN_EXE_program"));
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--echo", "always", "--command", &typed, "/dev/null"]);
    command.current_dir(site.folder()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let _deadline = Deadline::of(&child);
    let (mut shown, mut stdout) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
    // The prompt ends without a line break.
    while !shown.contains(prompt) {
        let part = stdout.fill_buf().unwrap();
        assert!(!part.is_empty(), "no prompt {prompt:?} in {shown:?}");
        let length = part.len();
        shown.push_str(&String::from_utf8_lossy(part));
        stdout.consume(length);
    }
    child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    stdout.read_to_string(&mut shown).unwrap();
    (shown, child.wait().unwrap().code())
}

#[test]
#[cfg(not(keywright_portable))]
fn a_prompt_hides_the_key_and_ctrl_c_ends_it() {
    let site = prepared(0);
    let created = finish(program(site.folder(), &words(&["keys", "create", "CI", "--quiet"])), "");
    let key = String::from_utf8(created.stdout).unwrap();
    let (shown, code) = on_terminal(&site, "verify --quiet", "API key: ", &format!("{}\r", key.trim()));
    assert!(shown.contains("allowed") && !shown.contains(key.trim()), "{shown}");
    assert_eq!(code, Some(0));
    let (shown, code) = on_terminal(&site, "verify", "API key: ", "abc\x03");
    assert!(!shown.contains("abc"), "{shown}");
    assert_eq!(code, Some(130));
}

#[test]
fn a_change_that_cannot_be_undone_asks_on_a_terminal() {
    let site = prepared(0);
    let created = finish(program(site.folder(), &words(&["keys", "create", "CI", "--json"])), "");
    let created: serde_json::Value = serde_json::from_slice(&created.stdout).unwrap();
    let id = created["id"].as_str().unwrap();
    let revoke = format!("keys revoke {id}");
    let (shown, code) = on_terminal(&site, &revoke, "[y/N] ", "n\r");
    assert!(shown.contains("This will revoke the key \"CI\"") && shown.contains("nothing was changed"), "{shown}");
    assert!(shown.contains("It cannot be undone"), "{shown}");
    assert_eq!(code, Some(1));
    let (shown, code) = on_terminal(&site, &revoke, "[y/N] ", "y\r");
    assert!(shown.contains("revoked"), "{shown}");
    assert_eq!(code, Some(0));
    // An org is enabled again by another command.
    let (shown, code) = on_terminal(&site, "orgs disable default", "[y/N] ", "n\r");
    assert!(shown.contains("until it is enabled. Go on?"), "{shown}");
    assert_eq!(code, Some(1));
}
