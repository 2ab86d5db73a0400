//! A disk of a few MiB, for tests of what happens when it is full.
//!
//! A tmpfs mount, which takes root with the right to mount; without that right, tests say so and return.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::{servers, tether};

/// `CAP_SYS_ADMIN`'s place in the kernel's set of capabilities.
const CAP_SYS_ADMIN_BIT: u32 = 21;

/// A mounted disk, unmounted on drop.
#[derive(Debug)]
pub struct SmallDisk {
    home: TempDir,
}

impl SmallDisk {
    /// Mounts an empty disk of `mebibytes`. `None`, with one line on standard error, where this process may not
    /// mount.
    ///
    /// # Panics
    /// When this process has the right to mount and the mount fails all the same: the test must not pass for that.
    pub fn mount_or_skip(mebibytes: u32) -> Option<Self> {
        if !may_mount() {
            servers::not_run("small disk", "mounting a tmpfs takes root with CAP_SYS_ADMIN");
            return None;
        }
        let home = tether::directory("daybook-disk-");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}M,mode=0755"), "tmpfs"])
            .arg(home.path())
            .output()
            .expect("run mount");
        assert!(output.status.success(), "mount a tmpfs: {}", String::from_utf8_lossy(&output.stderr));
        Some(Self { home })
    }

    /// The directory the disk is mounted on.
    pub fn path(&self) -> &Path {
        self.home.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since the test may be unwinding with files of this disk still open.
        let _ = Command::new("umount").arg("--lazy").arg(self.home.path()).output();
    }
}

/// Whether this process holds the capability that mounting needs. Containers often run as root without it.
fn may_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .is_some_and(|bits| bits >> CAP_SYS_ADMIN_BIT & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};

    use super::*;

    #[test]
    fn a_small_disk_fills_up_and_goes_away() {
        let Some(disk) = SmallDisk::mount_or_skip(1) else { return };
        let path = disk.path().to_owned();
        let mut file = fs::File::create(path.join("full")).unwrap();
        let error = file.write_all(&vec![1; 2 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        drop(file);
        drop(disk);
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        assert!(!mounts.contains(path.to_str().unwrap()));
        assert!(!path.exists());
    }
}
