//! The command as its users meet it: arguments in, reports, errors and exit codes out.

mod faults;
mod json;
mod way;

use journal_tests::tether;
use std::path::Path;
use std::time::Duration;

use journal_tests::process::{Ended, Program, Running, daybook};
use tempfile::TempDir;

/// Above what any step takes on a loaded machine.
const BOUND: Duration = Duration::from_secs(60);

/// A film, as a line of NDJSON.
fn film(id: i64, title: &str) -> String {
    format!(
        r#"{{"entries":[{{"op":"insert","table":"film","row":{{"film_id":{id},"title":"{title}","rating":"PG","rental_rate":"0.99","replacement_cost":"20.99","minutes":86}}}}]}}"#
    ) + "\n"
}

/// A directory with a configuration: the rental history's schema set, sites a and b in SQLite files.
struct Desk {
    directory: TempDir,
}

impl Desk {
    /// With the configuration only.
    fn bare() -> Self {
        let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../applier/assets/rental-history/schema");
        let desk = Self { directory: tether::directory("daybook-it-") };
        let schema = schema.canonicalize().unwrap();
        let text = format!(
            "group = 'shop'\nschema = '{}'\n[sites.a]\nurl = 'sqlite:a.db'\n[sites.b]\nurl = 'sqlite:b.db'\n",
            schema.display()
        );
        desk.write("daybook.toml", &text);
        desk
    }

    /// With both sites initialised.
    fn initialised() -> Self {
        let desk = Self::bare();
        desk.done(&["init"]);
        desk
    }

    /// Puts one more site into the configuration.
    fn add_site(&self, name: &str) {
        let text = std::fs::read_to_string(self.directory.path().join("daybook.toml")).unwrap();
        self.write("daybook.toml", &format!("{text}[sites.{name}]\nurl = 'sqlite:{name}.db'\n"));
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.directory.path().join(file), text).unwrap();
    }

    fn daybook(&self, arguments: &[&str]) -> Program {
        daybook().current_dir(self.directory.path()).env("USER", "tester").args(arguments)
    }

    /// Runs a command that must succeed; its report.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let Ended { code, stdout, stderr } = self.daybook(arguments).run();
        assert_eq!(code, Some(0), "{arguments:?}\n{stdout}\n{stderr}");
        stdout
    }

    /// The same with `--json`.
    #[track_caller]
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments = [&["--json"], arguments].concat();
        serde_json::from_str(&self.done(&arguments)).unwrap()
    }

    /// Runs a command that must fail with that exit code and exactly that text on standard error; its report.
    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32, stderr: &str) -> String {
        fails(&self.daybook(arguments), code, stderr)
    }

    /// Starts the service and waits until it says that it serves.
    fn serve(&self) -> Running {
        let mut service = self.daybook(&["run"]).spawn();
        assert_eq!(service.wait_for_line("serving", BOUND), "daybook: serving a, b");
        service
    }
}

#[track_caller]
fn fails(program: &Program, code: i32, stderr: &str) -> String {
    let ended = program.run();
    assert_eq!((ended.code, ended.stderr.trim_end()), (Some(code), stderr), "{}", ended.stdout);
    ended.stdout
}
