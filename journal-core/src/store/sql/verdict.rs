//! What became of transactions: the origin's verdicts, how far peers have seen them, and whether posting is paused.

use crate::codec::vector;
use crate::model::{Origin, Rejection, SealNr, SiteName, TransNr, Vector};
use crate::sql::{ConnRef, Param, SqlClass, SqlError};

use super::read::origin_params;
use super::runs::load_rejections;
use super::text;

/// Seals that one look covers; who asks about more asks again.
const SEALS_MAX: i64 = 4096;

/// The verdicts on a range of an origin's numbers. They never change; later ones come to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdicts {
    /// The first and the last number that were asked about. A seal may cover more of them, whose rejections are not here.
    asked: (TransNr, TransNr),
    /// Seals that cover some of the range, in order: number, first and last transaction.
    seals: Vec<(SealNr, TransNr, TransNr)>,
    rejections: Vec<Rejection>,
}

impl Verdicts {
    /// The seal that covers a number and the verdict against it, if there is one. `None`: not sealed, or not looked at.
    pub fn of(&self, trans_nr: TransNr) -> Option<(SealNr, Option<&Rejection>)> {
        if trans_nr < self.asked.0 || trans_nr > self.asked.1 {
            return None;
        }
        let at = self.seals.partition_point(|(_, _, last)| *last < trans_nr);
        let (seal_nr, first, _) = self.seals.get(at)?;
        let rejected = self.rejections.binary_search_by_key(&trans_nr, |rejection| rejection.trans_nr);
        (*first <= trans_nr).then(|| (*seal_nr, rejected.ok().map(|at| &self.rejections[at])))
    }

    /// How many verdicts against are held, each with its words.
    pub fn rejections(&self) -> usize {
        self.rejections.len()
    }
}

/// The verdicts on numbers from `first` to `last`, or on as many of them from `first` on as one look covers.
pub async fn read_verdicts(
    mut conn: ConnRef<'_>,
    origin: &Origin,
    first: TransNr,
    last: TransNr,
) -> Result<Verdicts, SqlError> {
    let mut params = origin_params(origin);
    params.extend([first.0.into(), last.0.into(), Param::from(SEALS_MAX)]);
    let mut seals = Vec::new();
    for record in conn.fetch(text::DECIDED, params).await? {
        seals.push((SealNr(record.i64(0)?), TransNr(record.i64(1)?), TransNr(record.i64(2)?)));
    }
    let rejections = match seals.last() {
        Some((_, _, covered)) => {
            load_rejections(&mut conn, origin, TransNr(first.0 - 1), last.min(*covered)).await?
        }
        None => Vec::new(),
    };
    Ok(Verdicts { asked: (first, last), seals, rejections })
}

/// What a peer had posted of all others by its newest seal that is here; `None` before its first one arrived.
pub async fn newest_seen(mut conn: ConnRef<'_>, peer: &SiteName) -> Result<Option<Vector>, SqlError> {
    let record = conn.fetch_optional(text::NEWEST_SEEN, vec![peer.as_str().into()]).await?;
    let Some(record) = record else { return Ok(None) };
    let unreadable =
        || SqlError::new(SqlClass::Broken, format!("the seen vector of {peer}'s last seal cannot be read"));
    vector::read(&record.text(0)?).map(Some).ok_or_else(unreadable)
}

/// A pause of the site's posting, as desired by somebody. Appends go on meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Which change of the desired state it is.
    pub generation: i64,
    /// Who asked for it.
    pub who: String,
    /// Why, in their words.
    pub why: String,
    /// Since when, microseconds since 1970 UTC. For people.
    pub since: i64,
}

/// Whether posting is paused at this site. A site that nobody has set up to be run is not paused.
pub async fn read_pause(mut conn: ConnRef<'_>) -> Result<Option<Pause>, SqlError> {
    let record = match conn.fetch_optional(text::DESIRED, Vec::new()).await {
        Ok(record) => record,
        Err(error) if error.class == SqlClass::Schema => None,
        Err(error) => return Err(error),
    };
    let Some(record) = record else { return Ok(None) };
    if record.text(1)? != "paused" {
        return Ok(None);
    }
    let (generation, since) = (record.i64(0)?, record.i64(4)?);
    Ok(Some(Pause { generation, who: record.text(2)?, why: record.text(3)?, since }))
}
