//! The engine: pure rules, and the one loop that carries them out. Everything but the loop (`poster.rs` and its parts
//! `attempt.rs`, `decide.rs`, `post.rs`, `meet.rs`, `release.rs`, `rebuild.rs`) is free of I/O, and the rules take clocks and
//! stores as values.

mod attempt;
pub mod clock;
mod decide;
pub mod held;
mod judge;
pub mod keys;
pub(crate) mod meet;
pub mod narrow;
pub mod order;
mod pace;
pub mod partial;
mod post;
pub mod poster;
pub mod prepare;
pub mod reaction;
mod rebuild;
pub mod recent;
mod release;
mod roots;
pub mod step;
