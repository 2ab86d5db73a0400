//! Causal order between origins: what a transaction had seen at its origin is posted here before it.

use journal_core::model::{Origin, SealNr, SealedRun};

/// How many of the runs, from the first, may be posted now. `posted` tells the last seal posted whole of an origin
/// other than theirs; the site's own seals count as posted.
pub fn ready(runs: &[SealedRun], own: &Origin, posted: impl Fn(&Origin) -> SealNr) -> usize {
    runs.iter().take_while(|run| waits_for(run, own, &posted).is_none()).count()
}

/// The first origin whose transactions this run had seen and this site has not posted yet.
pub fn waits_for<'r>(
    run: &'r SealedRun,
    own: &Origin,
    posted: impl Fn(&Origin) -> SealNr,
) -> Option<&'r Origin> {
    let mut seen = run.seal.seen.iter();
    let lacking = seen.find(|(origin, seal_nr)| {
        *origin != own && **origin != run.seal.origin && posted(origin) < **seal_nr
    });
    lacking.map(|(origin, _)| origin)
}
