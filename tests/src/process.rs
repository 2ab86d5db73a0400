//! Runs programs as children: their output read as it comes, killed when asked, waited for within a bound.
//!
//! No wait polls: output arrives on a channel, and the end of a program is the end of its output. A child is
//! killed when its [`Running`] is dropped and when the test process dies.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::tether;

/// How long [`Program::run`] waits: above any single command on a loaded machine.
pub const RUN_BOUND: Duration = Duration::from_secs(180);

/// Lines that wait for the test to look at them; a program that writes more waits for the test.
const LINES_WAITING_MAX: usize = 65_536;

/// A program with its arguments, ready to be run.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
}

/// What a program that has ended left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

impl Program {
    /// The program at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            input: Vec::new(),
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs in `directory`.
    #[must_use]
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Gives `input` as standard input, which then ends. Without this it is empty.
    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Starts the program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&self) -> Running {
        let mut command = tether::command(&self.path, "KILL");
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = tether::spawn(command);
        let child = child.unwrap_or_else(|error| panic!("start {}: {error}", self.path.display()));
        Running::new(child, self.input.clone())
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// With its output, when it cannot be started or has not ended after [`RUN_BOUND`].
    pub fn run(&self) -> Ended {
        self.spawn().wait(RUN_BOUND)
    }
}

/// Which of the two outputs a piece came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// One line each, with its end; closed once both outputs are.
    lines: Receiver<(Stream, String)>,
    stdout: String,
    stderr: String,
}

impl Running {
    fn new(mut child: Child, input: Vec<u8>) -> Self {
        let mut stdin = child.stdin.take().expect("standard input is piped");
        // A program that never reads its input must not block the test, nor fail it by closing the pipe.
        thread::spawn(move || stdin.write_all(&input));
        let (sender, lines) = mpsc::sync_channel(LINES_WAITING_MAX);
        follow(child.stdout.take().expect("standard output is piped"), Stream::Stdout, sender.clone());
        follow(child.stderr.take().expect("standard error is piped"), Stream::Stderr, sender);
        Self { child, lines, stdout: String::new(), stderr: String::new() }
    }

    /// Waits for a line, on either output, that contains `text`, and returns it without its end.
    ///
    /// # Panics
    /// With the output so far, when the program ends or `bound` passes first.
    pub fn wait_for_line(&mut self, text: &str, bound: Duration) -> String {
        let line = self.line_or_end(text, bound);
        line.unwrap_or_else(|| self.fail(&format!("ended without a line with {text:?}")))
    }

    /// The same; `None` when the program ends first.
    ///
    /// # Panics
    /// With the output so far, when `bound` passes first.
    pub fn line_or_end(&mut self, text: &str, bound: Duration) -> Option<String> {
        let deadline = Instant::now() + bound;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((stream, line)) => {
                    self.keep(stream, &line);
                    if line.contains(text) {
                        return Some(line.trim_end_matches('\n').to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.fail(&format!("no line with {text:?} within {bound:?}"))
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// Waits for the program's own end.
    ///
    /// # Panics
    /// With the output so far, when `bound` passes first; the program is killed then.
    pub fn wait(mut self, bound: Duration) -> Ended {
        if !self.drain(bound) {
            self.fail(&format!("did not end within {bound:?}"));
        }
        self.reap()
    }

    /// Kills the program at once (SIGKILL) and returns what it had written. A program that had ended stays so.
    pub fn kill(mut self) -> Ended {
        let _ = self.child.kill();
        // Whoever inherited its outputs could keep them open; the bound is for that only.
        self.drain(Duration::from_secs(10));
        self.reap()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the program to end (SIGTERM); [`wait`](Self::wait) then says how it did.
    pub fn terminate(&self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Reads until both outputs are closed; false when `bound` passes first.
    fn drain(&mut self, bound: Duration) -> bool {
        let deadline = Instant::now() + bound;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok((stream, line)) => self.keep(stream, &line),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    fn keep(&mut self, stream: Stream, line: &str) {
        match stream {
            Stream::Stdout => self.stdout.push_str(line),
            Stream::Stderr => self.stderr.push_str(line),
        }
    }

    fn reap(&mut self) -> Ended {
        let status: ExitStatus = self.child.wait().expect("wait for the child");
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Ended { code: status.code(), stdout, stderr }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("{what}\nstandard output:\n{}\nstandard error:\n{}", self.stdout, self.stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The most memory that a process had so far, in kibibytes; 0 once it is gone.
pub fn peak_kib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
}

/// Sends each line of an output, the last one also without its end, until it closes or nobody listens.
fn follow(output: impl Read + Send + 'static, stream: Stream, lines: SyncSender<(Stream, String)>) {
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if lines.send((stream, text)).is_err() {
                return;
            }
        }
    });
}

/// The `daybook` command, built of the same sources and with the same profile as the running test.
///
/// `DAYBOOK_BIN` names another one, for instance a release build.
///
/// # Panics
/// When it is not there, which cargo sees to for the integration tests of this crate.
pub fn daybook() -> Program {
    let beside = || built_beside_this_test("daybook-under-test");
    let path = std::env::var_os("DAYBOOK_BIN").map_or_else(beside, PathBuf::from);
    assert!(path.is_file(), "{} is not there; run the tests with cargo", path.display());
    Program::new(path)
}

/// The application for tests, built likewise; `app/main.rs` tells its arguments.
///
/// # Panics
/// As [`daybook`].
pub fn application() -> Program {
    let path = built_beside_this_test("application-under-test");
    assert!(path.is_file(), "{} is not there; run the tests with cargo", path.display());
    Program::new(path)
}

/// Test binaries are in `deps`, below the directory of the binaries of the same build.
fn built_beside_this_test(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("the path of the test binary");
    let build = this.parent().and_then(Path::parent).expect("a test binary is two directories deep");
    build.join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn a_program_leaves_its_code_and_both_outputs() {
        let ended = shell("read word; echo got $word; printf oops >&2; exit 3").stdin("it\n").run();
        let stdout = "got it\n".to_owned();
        assert_eq!(ended, Ended { code: Some(3), stdout, stderr: "oops".to_owned() });
    }

    #[test]
    fn a_killed_program_has_no_code_and_keeps_what_it_wrote() {
        let mut running = shell("echo up; exec cat <&- /dev/zero > /dev/null").spawn();
        running.wait_for_line("up", BOUND);
        let ended = running.kill();
        assert_eq!((ended.code, ended.stdout.as_str()), (None, "up\n"));
    }

    #[test]
    fn a_program_may_answer_a_request_to_end() {
        let mut running = shell("trap 'echo bye; exit 5' TERM; echo up; while :; do :; done").spawn();
        assert_eq!(running.wait_for_line("up", BOUND), "up");
        running.terminate();
        assert_eq!(running.wait(BOUND).code, Some(5));
    }

    #[test]
    #[should_panic(expected = "ended without a line with \"never\"")]
    fn waiting_for_a_line_fails_when_the_program_ends() {
        shell("echo once").spawn().wait_for_line("never", BOUND);
    }

    #[test]
    #[should_panic(expected = "did not end within")]
    fn waiting_for_the_end_is_bounded() {
        shell("while :; do :; done").spawn().wait(Duration::from_millis(50));
    }
}
