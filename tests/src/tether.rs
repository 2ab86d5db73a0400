//! Ties children and directories to the life of the test process, so that nothing outlives a run.
//!
//! A test process may end by a panic, by Ctrl-C, or by SIGKILL, and none of these runs destructors of statics.
//! So children get a death signal from the kernel where there is one (`setpriv --pdeathsig`), and a shell that
//! waits for the end of its standard input removes directories and mounts once this process is gone.
//! This module must never signal a process that it did not start.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;

use tempfile::TempDir;

/// One request may wait behind another: callers block for the answer anyway.
const SPAWNS_WAITING_MAX: usize = 8;

/// Memory is used for files only if this much of it is free.
const MEMORY_FREE_MIN: u64 = 4 << 30;

/// Reads paths until its input ends, that is until the test process is gone, then clears them away. A server
/// that is going down may still write a file into a directory while it is removed: hence the repetitions.
const SWEEPER: &str = r#"
while IFS= read -r path; do set -- "$@" "$path"; done
for round in 1 2 3 4 5 6 7 8 9 10; do
    for path; do umount "$path"; done
    rm -rf -- "$@" && exit 0
    sleep 0.2
done
"#;

/// A command for `program` that dies by `signal` (a name such as `KILL`) when the thread that spawned it ends.
///
/// Spawn it with [`spawn`]: the death signal follows the thread, not the process. Where there is no `setpriv`
/// (it is Linux only) the command is a plain one, and only the destructor of its owner ends the child.
pub fn command(program: impl AsRef<OsStr>, signal: &str) -> Command {
    match setpriv() {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", signal, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Where `setpriv` is, looked up once.
pub(crate) fn setpriv() -> Option<&'static Path> {
    static SETPRIV: OnceLock<Option<PathBuf>> = OnceLock::new();
    SETPRIV.get_or_init(|| find_program("setpriv")).as_deref()
}

/// The first file called `name` in a directory of `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

/// Spawns `command` from a thread that lives as long as this process.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn spawn(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::SyncSender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::SyncSender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::sync_channel::<Request>(SPAWNS_WAITING_MAX);
        thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                for (mut command, answer) in requests {
                    // The asker may have gone meanwhile; its child then has no owner and must not stay.
                    if let Err(mpsc::SendError(Ok(mut orphan))) = answer.send(command.spawn()) {
                        let _ = orphan.kill();
                    }
                }
            })
            .expect("start the spawner thread");
        sender
    });
    let (answer, child) = mpsc::sync_channel(1);
    spawner.send((command, answer)).expect("the spawner thread never ends");
    child.recv().expect("the spawner thread answers")
}

/// A new directory in `parent`, removed on drop or, failing that, after this process has ended.
///
/// # Panics
/// When the directory cannot be made.
pub fn directory_in(parent: &Path, prefix: &str) -> TempDir {
    let directory = tempfile::Builder::new()
        .prefix(prefix)
        .tempdir_in(parent)
        .unwrap_or_else(|error| panic!("make a directory in {}: {error}", parent.display()));
    sweep_at_exit(directory.path());
    directory
}

/// The same in memory where there is enough, else in `/tmp`: a killed process loses nothing that it has written, so tests of
/// kills stay honest. The path is short, since that of a Unix socket is limited to 107 bytes.
///
/// # Panics
/// When the directory cannot be made.
pub fn directory(prefix: &str) -> TempDir {
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    directory_in(if free >= MEMORY_FREE_MIN { memory } else { Path::new("/tmp") }, prefix)
}

/// Has `path` unmounted and removed once this process is gone. Removing it earlier is no error.
fn sweep_at_exit(path: &Path) {
    static SWEEPING: OnceLock<Mutex<Child>> = OnceLock::new();
    let sweeping = SWEEPING.get_or_init(|| {
        let sweeper = Command::new("sh")
            .args(["-c", SWEEPER, "sweeper"])
            // Its own group: Ctrl-C goes to the test's group, and the sweeper has to outlive that.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start a shell");
        Mutex::new(sweeper)
    });
    let mut sweeping = sweeping.lock().unwrap_or_else(PoisonError::into_inner);
    let input = sweeping.stdin.as_mut().expect("standard input is piped");
    writeln!(input, "{}", path.display()).expect("the sweeper reads until this process ends");
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let mut child = thread::spawn(|| {
            let mut cat = command("cat", "KILL");
            cat.stdin(Stdio::piped()).stdout(Stdio::null());
            spawn(cat).unwrap()
        })
        .join()
        .unwrap();
        // With its input closed, `cat` ends well; a child that had been signalled would not.
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_directory_is_gone_once_its_owner_is() {
        let directory = directory("daybook-t-");
        let path = directory.path().to_owned();
        assert!(path.is_dir());
        drop(directory);
        assert!(!path.exists());
    }
}
