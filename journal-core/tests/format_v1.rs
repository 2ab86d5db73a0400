//! Format 1, byte for byte: what one release wrote, every later one reads and hashes the same. The fixtures are never
//! edited; a new form is a new codec or algorithm beside these.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod format_v1 {
    mod forged;
    mod round_trip;
    mod vectors;
    mod zoo;
}
