//! The test kit: what tests that need more than one crate, or more than one process, are built from.
//!
//! - [`servers`]: private PostgreSQL and MariaDB servers on sockets in temporary directories
//! - [`process`]: programs run as children, killed and waited for within a bound
//! - [`proxy`]: connections cut at the moment of a commit, or made to hang
//! - [`rig`]: a group of real sites whose posters a test moves by hand
//! - [`balancer`]: HAProxy with this repository's sample configuration
//! - [`disk`]: a disk small enough to fill
//! - [`tether`]: what makes all of these vanish with the test process, however it ends
//!
//! Nothing here may be a dependency of anything that is shipped. What cannot be had on this machine is
//! reported by one line on standard error, or fails the run when `REQUIRE_SERVERS` asks for it: a test
//! never passes in silence without having run.

pub mod balancer;
pub mod disk;
pub mod process;
pub mod proxy;
pub mod rig;
pub mod servers;
pub mod tether;
