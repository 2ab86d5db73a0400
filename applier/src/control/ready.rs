//! Whether a site can serve applications of one version now: what a balancer asks before it sends anybody there. The
//! judgement is pure; [`look`] reads what it judges. Decides nothing for the applier.

use std::collections::BTreeMap;

use journal_core::model::{Origin, SchemaVersion, TransNr};
use journal_core::sql::{Conn, Param, SqlClass, SqlError};
use journal_core::store::sql::{Serving, load_heads, read_serving, read_site};
use serde::Serialize;

/// Transactions that a site may be behind and still be ready: far more than are under way on a busy day, far less than
/// a pause leaves.
pub const BEHIND_MAX: i64 = 1_000;

const POSTED: &str = "SELECT origin, epoch, trans_nr FROM {d}posted";
/// Bounded, so that a long queue costs no more than the bound.
const UNDECIDED: &str = "SELECT count(*) FROM (SELECT 1 FROM {d}journal WHERE origin = $1 AND epoch = $2 \
     AND trans_nr > $3 AND entry_nr = 1 LIMIT $4) AS undecided";
const UNDECIDED_MAX: i64 = 100_000;

/// What one look at a site's database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The site in its present life.
    pub origin: Origin,
    /// What it can do for applications.
    pub serving: Serving,
    /// Its own transactions that are not decided yet.
    pub undecided: i64,
    /// The last number of each origin that is sealed here.
    pub sealed: BTreeMap<Origin, TransNr>,
    /// The last number of each origin that is posted here.
    pub posted: BTreeMap<Origin, TransNr>,
}

/// Why a site is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No such site is looked after here.
    UnknownSite,
    /// Its database does not answer.
    Unreachable,
    /// Applications are asked to leave: it is about to be paused.
    Leaving,
    /// It is paused.
    Paused,
    /// Its ledger has no views of the version.
    Version,
    /// It has not caught up.
    Behind,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The site.
    pub site: String,
    /// The version that was asked about.
    pub version: SchemaVersion,
    /// Whether applications of that version should be sent there.
    pub ready: bool,
    /// Why not.
    pub reason: Option<Reason>,
    /// The same for people.
    pub detail: Option<String>,
    /// The version its ledger stands at, where known.
    pub ledger_version: Option<SchemaVersion>,
    /// Transactions that it is behind, at most: numbers that were never used count too. Where known.
    pub behind: Option<i64>,
}

/// Judges a look. `peers` are looks at the other sites, as far as they can be reached: what they have decided and this
/// site has not posted counts as behind. A peer that is away cannot be waited for.
pub fn judge<'l>(
    look: &Look,
    peers: impl IntoIterator<Item = &'l Look>,
    version: SchemaVersion,
    behind_max: i64,
) -> Readiness {
    let behind = behind(look, peers);
    let serving = &look.serving;
    let no = |reason: Reason, detail: String| Some((reason, detail));
    let refused = if let Some(away) = &serving.away {
        no(Reason::Leaving, said("applications are asked to leave", &away.who, &away.why))
    } else if let Some(pause) = &serving.paused {
        no(Reason::Paused, said("paused", &pause.who, &pause.why))
    } else if !serving.reads(version) {
        no(
            Reason::Version,
            format!("the ledger stands at version {} and has no views of {version}", serving.ledger_version),
        )
    } else if behind > behind_max {
        no(Reason::Behind, format!("{behind} transactions behind, more than {behind_max}"))
    } else {
        None
    };
    let (reason, detail) = refused.unzip();
    Readiness {
        site: look.origin.site.to_string(),
        version,
        ready: reason.is_none(),
        reason,
        detail,
        ledger_version: Some(serving.ledger_version),
        behind: Some(behind),
    }
}

impl Readiness {
    /// The answer about a site that nothing is known of.
    pub fn unknown(site: &str, version: SchemaVersion, reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            site: site.to_owned(),
            version,
            ready: false,
            reason: Some(reason),
            detail: Some(detail.into()),
            ledger_version: None,
            behind: None,
        }
    }
}

fn said(what: &str, who: &str, why: &str) -> String {
    let why = if why.is_empty() { String::new() } else { format!(": {why}") };
    format!("{what} by {who}{why}")
}

fn behind<'l>(look: &Look, peers: impl IntoIterator<Item = &'l Look>) -> i64 {
    let mut sealed = look.sealed.clone();
    sealed.remove(&look.origin);
    for peer in peers {
        if let Some(last) = peer.sealed.get(&peer.origin) {
            let known = sealed.entry(peer.origin.clone()).or_default();
            *known = (*known).max(*last);
        }
    }
    let posted = |origin: &Origin| look.posted.get(origin).copied().unwrap_or_default();
    let missing = sealed.iter().map(|(origin, last)| (last.0 - posted(origin).0).max(0));
    missing.fold(look.undecided, i64::saturating_add)
}

/// Looks at a site's database: a few statements, none of which waits for a lock.
pub async fn look(conn: &mut Conn) -> Result<Look, SqlError> {
    let no_site = || SqlError::new(SqlClass::Schema, "this database is no site yet");
    let origin = read_site(conn.lend()).await?.ok_or_else(no_site)?.origin;
    let serving = read_serving(conn.lend()).await?;
    let mut posted = BTreeMap::new();
    for record in conn.lend().fetch(POSTED, Vec::new()).await? {
        let site = record.text(0)?.parse();
        let site = site.map_err(|error| SqlError::new(SqlClass::Broken, format!("posted: {error}")))?;
        let epoch = journal_core::model::Epoch(record.i64(1)?);
        posted.insert(Origin { site, epoch }, TransNr(record.i64(2)?));
    }
    let heads = load_heads(conn.lend()).await?;
    let sealed: BTreeMap<Origin, TransNr> =
        heads.into_iter().map(|head| (head.origin, head.last_nr)).collect();
    let decided = sealed.get(&origin).copied().unwrap_or_default();
    let params = vec![
        origin.site.as_str().into(),
        origin.epoch.0.into(),
        decided.0.into(),
        Param::from(UNDECIDED_MAX),
    ];
    let undecided = conn.lend().fetch_one(UNDECIDED, params).await?.i64(0)?;
    Ok(Look { origin, serving, undecided, sealed, posted })
}

#[cfg(test)]
mod tests {
    use journal_core::model::Epoch;
    use journal_core::store::sql::{Away, Pause};

    use super::*;

    fn origin(site: &str) -> Origin {
        Origin { site: site.parse().unwrap(), epoch: Epoch(1) }
    }

    /// Site a at version 2, with views of 1 and 2, that has posted b up to 90.
    fn site_a() -> Look {
        Look {
            origin: origin("a"),
            serving: Serving {
                paused: None,
                away: None,
                ledger_version: SchemaVersion(2),
                readable: vec![SchemaVersion(1), SchemaVersion(2)],
            },
            undecided: 0,
            sealed: [(origin("a"), TransNr(500)), (origin("b"), TransNr(90))].into(),
            posted: [(origin("a"), TransNr(500)), (origin("b"), TransNr(90))].into(),
        }
    }

    /// Site b that has sealed up to 100 of its own.
    fn site_b() -> Look {
        Look {
            origin: origin("b"),
            sealed: [(origin("b"), TransNr(100)), (origin("a"), TransNr(700))].into(),
            ..site_a()
        }
    }

    #[track_caller]
    fn check(look: &Look, version: i64, behind_max: i64, reason: Option<Reason>) {
        let told = judge(look, [&site_b()], SchemaVersion(version), behind_max);
        assert_eq!((told.reason, told.ready), (reason, reason.is_none()), "{told:?}");
        assert_eq!(told.detail.is_some(), reason.is_some());
    }

    #[test]
    fn a_site_that_serves_the_version_and_keeps_up_is_ready() {
        check(&site_a(), 1, 10, None);
        check(&site_a(), 2, 10, None);
    }

    #[test]
    fn a_site_without_views_of_the_version_is_not() {
        check(&site_a(), 3, 10, Some(Reason::Version));
        let mut contracted = site_a();
        contracted.serving.readable = vec![SchemaVersion(2)];
        check(&contracted, 1, 10, Some(Reason::Version));
    }

    #[test]
    fn what_a_peer_has_decided_and_what_waits_here_counts_as_behind() {
        check(&site_a(), 2, 9, Some(Reason::Behind));
        let mut busy = site_a();
        busy.undecided = 1;
        check(&busy, 2, 10, Some(Reason::Behind));
        check(&busy, 2, 11, None);
    }

    #[test]
    fn a_peer_that_is_away_is_not_waited_for() {
        let told = judge(&site_a(), [], SchemaVersion(2), 0);
        assert_eq!((told.ready, told.behind), (true, Some(0)));
    }

    #[test]
    fn leaving_comes_before_the_pause_it_announces() {
        let mut leaving = site_a();
        let (who, why) = ("ann".to_owned(), "version 2".to_owned());
        leaving.serving.away = Some(Away { who: who.clone(), why: why.clone(), since: 1 });
        check(&leaving, 2, 10, Some(Reason::Leaving));
        let mut paused = site_a();
        paused.serving.paused = Some(Pause { generation: 2, who, why, since: 1 });
        check(&paused, 2, 10, Some(Reason::Paused));
        let told = judge(&paused, [], SchemaVersion(2), 10);
        assert_eq!(told.detail.as_deref(), Some("paused by ann: version 2"));
    }
}
