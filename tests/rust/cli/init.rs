//! `init` in a folder that is not the working folder.

use std::process::{Command, Stdio};

use keywright_tests::site::Site;

use super::pipes::words;
use super::{finish, program};

#[test]
fn the_paths_that_init_prints_work_from_the_working_folder() {
    let site = Site::new();
    std::fs::create_dir(site.folder().join("my keys")).unwrap();
    let done = finish(program(site.folder(), &words(&["init", "acme", "--directory", "my keys"])), "");
    let (code, told) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(done.status.success(), "{told}");
    for line in code.lines() {
        assert!(
            line.contains(r#""sqlite:my keys/keys.db""#) && line.contains(r#""my keys/keywright.pepper""#),
            "{line}"
        );
    }
    let next = told.lines().find_map(|line| line.strip_prefix("Next: keywright ")).unwrap();
    assert_eq!(next, "keys create 'My first key' --config 'my keys/keywright.toml'");
    assert!(told.contains("Then: keywright serve --config 'my keys/keywright.toml', for"), "{told}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{} {next} --quiet", env!("CARGO_BIN_EXE_program"))]).current_dir(site.folder());
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let created = finish(shell, "");
    assert!(created.stdout.starts_with(b"acme_live_"), "{}", String::from_utf8_lossy(&created.stderr));
    assert!(site.folder().join("my keys/keys.db").exists());
}
