//! That no two sites hand out the same ids: a site's stripe is fixed once it is made, and a new name in the configuration may
//! move the others' places in the list.

use std::collections::BTreeMap;

use journal_core::store::sql::{STRIPES, Site};

use crate::cli::code;
use crate::cli::failure::{Exit, Failure};

/// Refuses a configuration that gives a site another stripe than it has on record. Sites come with what is on record, and
/// with the stripe that the configuration says.
pub(super) fn check<'s>(sites: impl Iterator<Item = (&'s Site, Option<i64>)>) -> anyhow::Result<()> {
    let sites: Vec<(&Site, Option<i64>)> = sites.collect();
    let Some((moved, _)) =
        sites.iter().find(|(site, on_record)| on_record.is_some_and(|have| have != site.stripe))
    else {
        return Ok(());
    };
    let mut taken: BTreeMap<i64, &Site> = BTreeMap::new();
    taken.extend(sites.iter().filter_map(|(site, on_record)| Some(((*on_record)?, *site))));
    for (site, _) in sites.iter().filter(|(_, on_record)| on_record.is_none()) {
        let free = (0..STRIPES).find(|free| !taken.contains_key(free));
        taken.extend(free.map(|free| (free, *site)));
    }
    let say: Vec<String> = taken
        .iter()
        .map(|(stripe, site)| format!("[sites.{}] stripe = {stripe}", site.origin.site))
        .collect();
    let message = format!(
        "site {} was made with another stripe than {}, and a stripe stays for ever; the configuration has to say: {}",
        moved.origin.site,
        moved.stripe,
        say.join(", ")
    );
    Err(Failure::error(Exit::Failure, code::STRIPE_TAKEN, message))
}
