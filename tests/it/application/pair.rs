//! Two sites behind proxies, and what an application writes there.

use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use applier::demo::history;
use journal_core::client::{GroupBuilder, GroupFailure, GroupJournal, Journal, Receipt, Transaction};
use journal_core::model::{Row, SchemaVersion, SiteName, Value};
use journal_core::sql::{Access, Conn, DbUrl};
use journal_tests::proxy::Proxy;
use journal_tests::rig::Rig;
use journal_tests::servers::{Server, two_postgres_or_skip};
use schema_mappers::SchemaSet;
use uuid::Uuid;

use crate::shop::BOUND;

pub(super) const SITES: [&str; 2] = ["a", "b"];

pub(super) fn rental() -> SchemaSet {
    SchemaSet::from_sources(history::sources()).unwrap()
}

pub(super) fn name(site: &str) -> SiteName {
    SiteName::new(site).unwrap()
}

/// A transaction that needs nothing to be there.
pub(super) fn sale(store: i64) -> Transaction {
    let row = Row::new().with("store_id", store).with("nr_of_users", 0).with("nr_of_rentals", 0);
    Transaction::new().insert("stats", row.with("revenue", Value::Decimal("0.00".parse().unwrap())))
}

/// A client that gives up soon and switches at once.
pub(super) fn client(urls: &[(&str, DbUrl)]) -> GroupBuilder {
    let sites: Vec<(SiteName, DbUrl)> = urls.iter().map(|(site, url)| (name(site), url.clone())).collect();
    Journal::group_builder(&sites)
        .schema_version(SchemaVersion(1))
        .patience(Duration::from_secs(10))
        .switch_after(Duration::ZERO)
        .look_every(Duration::from_millis(5))
        .follow(Duration::ZERO)
        .pause_grace(Duration::ZERO)
}

/// Where a transaction stands: site and number of each entry in a journal that is its own site's and not void.
pub(super) async fn standing(rig: &Rig, tx_id: Uuid) -> Vec<String> {
    let mut found = Vec::new();
    for site in SITES {
        let mut conn = Conn::open(rig.url(site), Access::Read, "test").await.unwrap();
        let text = "SELECT origin, epoch, trans_nr FROM {d}journal WHERE origin = $1 AND tx_id = $2 \
                    AND entity <> 'daybook_void'";
        for record in conn.lend().fetch(text, vec![site.into(), tx_id.into()]).await.unwrap() {
            let (site, epoch, nr) = (record.text(0).unwrap(), record.i64(1).unwrap(), record.i64(2).unwrap());
            found.push(format!("{site}/{epoch}/{nr}"));
        }
    }
    found
}

/// The receipt of a transaction that is in doubt, once its sites answer.
pub(super) async fn settled(group: &GroupJournal, transaction: &Transaction) -> Receipt {
    let deadline = Instant::now() + BOUND;
    loop {
        match group.append(transaction).await {
            Ok(receipt) => return receipt,
            Err(failure @ GroupFailure::OutcomeUnknown { .. }) => {
                assert!(Instant::now() < deadline, "{failure}");
            }
            Err(failure) => panic!("{failure:?}"),
        }
    }
}

/// Two sites on PostgreSQL, each behind a proxy.
pub(super) struct Pair {
    pub(super) rig: Rig,
    pub(super) proxies: [Proxy; 2],
    pub(super) urls: Vec<(&'static str, DbUrl)>,
}

impl Pair {
    async fn start(servers: [&Server; 2]) -> Self {
        let databases = servers.map(Server::create_database);
        let direct = [("a", databases[0].url.clone()), ("b", databases[1].url.clone())];
        let rig = Rig::at(&direct, rental()).await;
        let proxies = servers.map(Proxy::start);
        let through = |at: usize| proxies[at].url(servers[at], &databases[at].name).parse().unwrap();
        let urls = vec![("a", through(0)), ("b", through(1))];
        Self { rig, proxies, urls }
    }

    pub(super) async fn or_skip() -> Option<Self> {
        let (a, b) = two_postgres_or_skip()?;
        Some(Self::start([a, b]).await)
    }

    pub(super) async fn client(&self) -> GroupJournal {
        client(&self.urls).open().await.unwrap()
    }
}

/// What a future has at its first poll; then its caller goes away.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
