//! The laws of mapping on what only a database has: rows and changes of a site, and views. The laws themselves, and the
//! rows that are made up, are pure and in [`schema_mappers::laws`]. Reads sites; writes scratch databases only.

mod losses;
mod sample;
mod site;
mod views;

pub use losses::{Lost, lost};
pub use site::{Brought, SiteError, site};
pub use views::{Viewed, ViewsError, views};
