//! When to kill: once the work has gone on by a random measure, and then a random number of looks later, so that every
//! step of it is hit somewhere.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::shop::Shop;

/// Looks past the measure; each takes a fraction of a millisecond.
const LOOKS_MORE_MAX: usize = 24;

/// How far the transactions of an origin are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// In their own site's journal.
    Appended,
    /// Decided and posted there.
    Sealed,
    /// In the peer's journal.
    Received,
    /// Posted at the peer.
    Posted,
}

/// A moment to come.
#[derive(Debug)]
pub(super) struct Moment {
    /// Where to look.
    site: &'static str,
    sql: String,
    reached: i64,
    looks: usize,
}

/// The other of two sites.
pub(super) fn peer(site: &str) -> &'static str {
    if site == "a" { "b" } else { "a" }
}

impl Step {
    fn sql(self, origin: &str) -> String {
        match self {
            Self::Appended => {
                format!("SELECT coalesce(max(trans_nr), 0) FROM {{d}}journal WHERE origin = '{origin}'")
            }
            Self::Sealed | Self::Received => {
                format!("SELECT coalesce(max(last_nr), 0) FROM {{d}}received WHERE origin = '{origin}'")
            }
            Self::Posted => {
                format!("SELECT coalesce(max(trans_nr), 0) FROM {{d}}posted WHERE origin = '{origin}'")
            }
        }
    }

    fn site(self, origin: &'static str) -> &'static str {
        match self {
            Self::Appended | Self::Sealed => origin,
            Self::Received | Self::Posted => peer(origin),
        }
    }

    /// Whether it goes on while a site is paused.
    fn goes_on(self, origin: &str, paused: Option<&str>) -> bool {
        match self {
            Self::Appended => true,
            Self::Sealed | Self::Received => paused != Some(origin),
            Self::Posted => paused.is_none(),
        }
    }
}

impl Moment {
    /// A moment while `count` transactions are about to be appended at `origin`.
    pub(super) async fn draw(
        shop: &Shop,
        rng: &mut ChaCha8Rng,
        origin: &'static str,
        count: usize,
        paused: Option<&str>,
    ) -> Self {
        let steps = [Step::Appended, Step::Sealed, Step::Received, Step::Posted];
        let possible: Vec<Step> = steps.into_iter().filter(|step| step.goes_on(origin, paused)).collect();
        let step = possible[rng.random_range(0..possible.len())];
        let before = shop.number(origin, &Step::Appended.sql(origin)).await;
        let more = rng.random_range(1..=i64::try_from(count).unwrap());
        Self {
            site: step.site(origin),
            sql: step.sql(origin),
            reached: before + more,
            looks: rng.random_range(0..LOOKS_MORE_MAX),
        }
    }

    /// A moment while one who appends is in the middle of it.
    pub(super) async fn of_client(
        shop: &Shop,
        rng: &mut ChaCha8Rng,
        origin: &'static str,
        count: usize,
    ) -> Self {
        let sql = Step::Appended.sql(origin);
        let more = rng.random_range(0..=i64::try_from(count).unwrap());
        let reached = shop.number(origin, &sql).await + more;
        // None passed: it may not even have begun.
        let looks = if more == 0 { rng.random_range(0..LOOKS_MORE_MAX * 4) } else { 0 };
        Self { site: origin, sql, reached, looks }
    }

    /// Waits for it.
    pub(super) async fn come(&self, shop: &Shop) {
        shop.reached(self.site, &self.sql, self.reached).await;
        looks(shop, self.looks).await;
    }
}

/// Lets a number of looks pass.
pub(super) async fn looks(shop: &Shop, count: usize) {
    let mut conn = shop.reader("a").await;
    for _ in 0..count {
        conn.lend().fetch_one("SELECT count(*) FROM {d}site", vec![]).await.unwrap();
    }
}
