//! Versions of a schema and the way between them.

mod complement;
mod error;
mod image;
mod mapper;

pub use complement::ComplementChange;
pub use error::{CannotMap, MapError, SetError};
pub use image::{Image, NewRow};
pub use mapper::{CallMapper, Mapper, Place, RustMappers};
