//! A test run again as a process of its own: as another program on the same file, with fewer rights, or among mounts
//! that no other process sees and that end with it.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::until;

const FOLDER: &str = "KEYWRIGHT_TEST_FOLDER";
const NAME: &str = "KEYWRIGHT_TEST_NAME";

/// A process that runs one test. It is killed when it is dropped.
pub struct Process {
    child: Child,
    output: File,
}

/// In such a process: the folder it was given and its name among its like.
pub fn inside() -> Option<(PathBuf, String)> {
    Some((std::env::var_os(FOLDER)?.into(), std::env::var(NAME).ok()?))
}

/// Runs `test` again, `through` a command that runs what it is given.
pub fn start<T: Fn()>(test: T, through: &[&str], folder: &Path, name: &str) -> Process {
    let path = std::any::type_name_of_val(&test);
    let (_, path) = path.split_once("::").unwrap();
    let program = std::env::current_exe().unwrap();
    let words = through.iter().map(|it| (*it).to_owned()).chain([program.display().to_string()]).collect::<Vec<_>>();
    let output = tempfile::tempfile().unwrap();
    let child = Command::new(&words[0])
        .args(&words[1..])
        .args(["--exact", path])
        .envs([(FOLDER, folder.as_os_str()), (NAME, name.as_ref())])
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .spawn();
    Process { child: child.unwrap_or_else(|it| panic!("{words:?}: {it}")), output }
}

/// Runs `test` again to its end, which must be a good one.
pub fn again<T: Fn()>(test: T, through: &[&str], folder: &Path) {
    start(test, through, folder, "").passes();
}

impl Process {
    pub fn passes(mut self) {
        let (status, text) = (self.ends(), self.output());
        // A name that matches nothing would pass with no test run.
        assert!(status.success() && text.contains("1 passed"), "the process ended with {status}:\n{text}");
    }

    pub fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        until("a process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// As the kernel would: nothing of the process gets to run.
    pub fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.wait().unwrap()
    }

    /// Its output so far.
    pub fn output(&mut self) -> String {
        let mut text = String::new();
        self.output.rewind().unwrap();
        self.output.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a process: says that it is there, and waits until all are.
pub fn meet(folder: &Path, name: &str) {
    std::fs::write(folder.join(format!("{name}.here")), "").unwrap();
    until("all processes are there", || folder.join("go").exists());
}

/// Lets processes go when all of them have met.
pub fn release(folder: &Path, names: &[&str]) {
    until("all processes are there", || names.iter().all(|it| folder.join(format!("{it}.here")).exists()));
    std::fs::write(folder.join("go"), "").unwrap();
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs what follows as a user whom file modes bind, root or not.
pub fn bound_by_modes() -> &'static [&'static str] {
    if is_root() { &["setpriv", "--bounding-set=-all", "--inh-caps=-all"] } else { &[] }
}

/// Runs what follows after a piece of shell.
pub fn after(shell: &str) -> Vec<String> {
    vec!["sh".into(), "-ec".into(), format!("{shell}; exec \"$@\""), "sh".into()]
}

/// Runs what follows after a piece of shell that may mount, in a mount namespace that ends with the process.
/// `None`, and a line that says so, where the system allows no mounts.
pub fn after_mounting(shell: &str) -> Option<Vec<String>> {
    let own_users = ["unshare", "--user", "--map-root-user", "--mount"];
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &own_users];
    let way = ways.into_iter().find(|way| {
        let mut probe = Command::new(way[0]);
        probe.args(&way[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
        probe.status().is_ok_and(|it| it.success())
    });
    let Some(way) = way else {
        let mut past_capture = std::io::stderr();
        writeln!(past_capture, "\nSKIPPED, since this user may mount nothing, not even in a namespace: {shell}")
            .unwrap();
        return None;
    };
    Some(way.iter().map(|it| (*it).to_owned()).chain(after(shell)).collect())
}

pub fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}
