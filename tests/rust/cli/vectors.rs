//! Every case of `tests/vectors/cli.json`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keywright_tests::interpreter::case::{self, CliCase, CliStep};
use keywright_tests::interpreter::expect::difference;
use keywright_tests::interpreter::value::Saved;
use serde_json::Value as Json;

#[test]
fn every_case_comes_out_as_written() {
    let file = case::file::<CliCase>("cli");
    // Without the rights of Unix no file is readable by others.
    let runs = |case: &&CliCase| !cfg!(keywright_portable) || case.readable.is_empty();
    let failed: Vec<String> = file.tests.iter().filter(runs).filter_map(|case| run(&file.files, case).err()).collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), file.count, failed.join("\n"));
    println!("vectors rust: cli {}", file.count);
}

fn run(files: &BTreeMap<String, String>, case: &CliCase) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let own = case.files.as_ref().unwrap_or(files);
    for (name, text) in own {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mode = if case.readable.contains(name) { 0o644 } else { 0o600 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut saved = Saved::new();
    for (index, step) in case.steps.iter().enumerate() {
        let done = self::step(folder.path(), case, step, &mut saved);
        done.map_err(|wrong| format!("{}, step {}: {wrong}", case.id, index + 1))?;
    }
    Ok(())
}

fn step(folder: &Path, case: &CliCase, step: &CliStep, saved: &mut Saved) -> Result<(), String> {
    let words: Vec<String> = step.run.iter().map(|word| filled(word, saved)).collect();
    let mut command = super::program(folder, &words);
    command.envs(&case.env);
    let output = super::finish(command, &filled(&step.stdin, saved));
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let told = format!("{words:?}\nstdout: {stdout}\nstderr: {stderr}");
    if output.status.code() != Some(step.exit) {
        return Err(format!("{} and not exit code {}: {told}", output.status, step.exit));
    }
    for (name, text, wanted) in [("stdout", &stdout, &step.stdout), ("stderr", &stderr, &step.stderr)] {
        let Some(wanted) = wanted else { continue };
        if wanted.is_empty() && !text.is_empty() {
            return Err(format!("{name} is not empty: {told}"));
        }
        if let Some(missing) = wanted.iter().map(|it| filled(it, saved)).find(|it| !text.contains(it)) {
            return Err(format!("{name} lacks {missing:?}: {told}"));
        }
    }
    for never in step.never.iter().map(|it| filled(it, saved)) {
        if stdout.contains(&never) || stderr.contains(&never) {
            return Err(format!("{never:?} is shown: {told}"));
        }
    }
    let lines = || stdout.lines().map(|line| serde_json::from_str(line).map_err(|wrong| format!("{wrong}: {told}")));
    if let Some(wanted) = &step.json {
        let found = match wanted {
            Json::Array(_) => lines().collect::<Result<Json, _>>()?,
            _ => lines().next().ok_or_else(|| format!("no JSON: {told}"))??,
        };
        if let Some(wrong) = difference(wanted, &found, saved) {
            return Err(format!("{wrong}: {told}"));
        }
    }
    if let Some(name) = &step.r#as {
        saved.insert(name.clone(), lines().next().ok_or_else(|| format!("no JSON: {told}"))??);
    }
    Ok(())
}

/// A text with the fields of kept records in place of `{name.field}`.
fn filled(text: &str, saved: &Saved) -> String {
    let mut text = text.to_owned();
    for (name, record) in saved {
        for (field, value) in record.as_object().unwrap() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text = text.replace(&format!("{{{name}.{field}}}"), &value);
        }
    }
    text
}
