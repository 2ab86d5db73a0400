//! How sealed runs travel from a peer's journal into this site's own.

pub mod hand_over;
#[cfg(test)]
mod material;
pub mod pull;
