//! A private HAProxy: the sample configuration of this repository in front of a test's own databases and services.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::{Program, Running};
use crate::servers::{not_run, required};
use crate::tether;

/// What to do about a missing HAProxy, in the words of the report.
const INSTALL: &str = "install haproxy 2.4 or newer, for instance with `apt-get install haproxy`";
/// Where distributions put it, outside the `PATH` of most users.
const SYSTEM_PROGRAM: &str = "/usr/sbin/haproxy";
/// Far above a start on a loaded machine.
const START_BOUND: Duration = Duration::from_secs(30);
/// Between two tries to connect while it starts.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The socket file that clients of PostgreSQL's default port look for.
const SOCKET_FILE: &str = ".s.PGSQL.5432";

/// A site behind the balancer.
#[derive(Debug, Clone)]
pub struct Behind {
    /// The socket of its PostgreSQL server.
    pub socket: PathBuf,
    /// Where the service beside it answers readiness checks.
    pub service: SocketAddr,
}

/// A running HAProxy. Killed on drop.
#[derive(Debug)]
pub struct Haproxy {
    homes: [TempDir; 2],
    _running: Running,
}

/// Whether HAProxy is here; says once that tests which need it do not run.
///
/// # Panics
/// When it is absent though `REQUIRE_SERVERS` names `haproxy`.
pub fn haproxy_or_skip() -> Option<PathBuf> {
    let found = tether::find_program("haproxy").or_else(|| {
        let program = PathBuf::from(SYSTEM_PROGRAM);
        program.is_file().then_some(program)
    });
    assert!(
        found.is_some() || !required("haproxy"),
        "REQUIRE_SERVERS names haproxy, but there is none ({INSTALL})"
    );
    if found.is_none() {
        not_run("haproxy", INSTALL);
    }
    found
}

impl Haproxy {
    /// Starts it with the sample configuration in front of sites a and b; returns once it takes connections.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(program: &Path, sites: [&Behind; 2]) -> Self {
        let homes = [(); 2].map(|()| tether::directory("daybook-ha-"));
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/balancer/haproxy.cfg");
        // -db: in the foreground.
        let mut haproxy = Program::new(program).args(["-db", "-f"]).args([sample]);
        for (home, name) in homes.iter().zip(["READERS_V1", "READERS_V2"]) {
            let socket = home.path().join(SOCKET_FILE);
            haproxy = haproxy.env(name, format!("unix@{}", socket.display()));
        }
        for (site, name) in sites.iter().zip(["A", "B"]) {
            haproxy = haproxy
                .env(format!("SITE_{name}"), format!("unix@{}", site.socket.display()))
                .env(format!("SERVICE_{name}_HOST"), site.service.ip().to_string())
                .env(format!("SERVICE_{name}_PORT"), site.service.port().to_string());
        }
        let running = haproxy.spawn();
        let deadline = Instant::now() + START_BOUND;
        // It says nothing when it listens.
        while homes.iter().any(|home| UnixStream::connect(home.path().join(SOCKET_FILE)).is_err()) {
            assert!(Instant::now() < deadline, "haproxy takes no connections");
            std::thread::sleep(LOOK_AGAIN);
        }
        Self { homes, _running: running }
    }

    /// The directory whose socket leads readers of version 1 or 2 to a site that is ready for them.
    ///
    /// # Panics
    /// For other versions.
    pub fn readers(&self, version: usize) -> &Path {
        self.homes[version - 1].path()
    }
}
