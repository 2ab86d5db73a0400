//! The main job, end to end, on real input: two databases, one reshaped while the other serves.

pub mod history;
