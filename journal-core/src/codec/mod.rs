//! Bytes: how changes are written into payloads and how seals chain stored bytes. Nothing here touches a store.

pub mod cells;
pub mod chain;
pub mod json;
pub mod packed;
pub mod payload;
mod unambiguous;
pub mod vector;
