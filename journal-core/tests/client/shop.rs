//! A site of a counter shop in a SQLite file.

use std::collections::BTreeMap;

use journal_core::client::{Journal, Transaction};
use journal_core::codec::chain::{self, SealDraft};
use journal_core::model::schema::Operation;
use journal_core::model::seal::GENESIS;
use journal_core::model::{
    Column, Epoch, Hlc, Name, Origin, Rejection, Row, Schema, SchemaVersion, SealNr, SealedRun, SiteName,
    Table, TransNr, Type, Vector,
};
use journal_core::sql::{Access, Conn, DbUrl};
use journal_core::store::sql::{
    ReleasedSchema, Site, create_site, insert_schema_version, install, load_head, read_tail_rows, write_seal,
};
use tempfile::TempDir;

/// One site's database.
pub(super) struct Shop {
    _directory: TempDir,
    pub(super) url: DbUrl,
    pub(super) site: SiteName,
}

impl Shop {
    /// An initialised site with schema versions 1 and 2, its ledger at 1.
    pub(super) async fn open(site: &str, stripe: i64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url: DbUrl = format!("sqlite:{}/shop.db", directory.path().display()).parse().unwrap();
        let shop = Self { _directory: directory, url, site: SiteName::new(site).unwrap() };
        let mut conn = Conn::open(&shop.url, Access::Create, "test").await.unwrap();
        install(&mut conn).await.unwrap();
        let (origin, group) = (shop.origin(), "shops".to_owned());
        let site = Site { origin, group, stripe, ledger_version: SchemaVersion(1) };
        create_site(conn.lend(), &site).await.unwrap();
        for version in [1, 2] {
            let released = ReleasedSchema {
                hash: format!("hash of {version}"),
                schema: schema(version),
                files: String::new(),
                released_at: 0,
            };
            insert_schema_version(conn.lend(), &released).await.unwrap();
        }
        conn.close().await;
        shop
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { site: self.site.clone(), epoch: Epoch(1) }
    }

    pub(super) async fn journal(&self) -> Journal {
        Journal::open(&self.url, &self.site).await.unwrap()
    }

    pub(super) async fn conn(&self) -> Conn {
        Conn::open(&self.url, Access::Write, "test").await.unwrap()
    }

    /// What stands in the journal: numbers and times of append.
    pub(super) async fn appended(&self) -> Vec<(TransNr, i64)> {
        let limit = journal_core::conformance::UNLIMITED;
        let mut conn = self.conn().await;
        let rows = read_tail_rows(conn.lend(), &self.origin(), TransNr(0), limit).await.unwrap();
        rows.transactions
            .into_iter()
            .map(|transaction| (transaction.id.trans_nr, transaction.appended_at))
            .collect()
    }

    /// Seals what is not sealed yet, as the ledger does when it has decided.
    pub(super) async fn seal(&self, reject: &[TransNr]) -> SealedRun {
        let mut conn = self.conn().await;
        let head = load_head(conn.lend(), &self.origin()).await.unwrap();
        let (seal_nr, last_nr, hash, hlc) = head.map_or((SealNr(0), TransNr(0), GENESIS, Hlc(0)), |head| {
            (head.seal_nr, head.last_nr, head.hash, head.hlc)
        });
        let limit = journal_core::conformance::UNLIMITED;
        let tail = read_tail_rows(conn.lend(), &self.origin(), last_nr, limit).await.unwrap().transactions;
        let draft = SealDraft {
            origin: self.origin(),
            seal_nr: seal_nr.next(),
            first_nr: last_nr.next(),
            last_nr: tail.last().map_or(last_nr, |last| last.id.trans_nr),
            hlc: hlc.next(),
            seen: Vector::new(),
            schema: 1,
            prev_hash: hash,
            sealed_at: 0,
        };
        let rejection = |trans_nr: &TransNr| Rejection {
            trans_nr: *trans_nr,
            code: "duplicate_key".to_owned(),
            detail: "a row with that key stands there".to_owned(),
        };
        let run = chain::seal(draft, tail, reject.iter().map(rejection).collect());
        conn.begin().await.unwrap();
        write_seal(conn.lend(), &run).await.unwrap();
        conn.commit().await.unwrap();
        run
    }
}

/// A transaction that inserts one item.
pub(super) fn item(id: i64) -> Transaction {
    Transaction::new().insert("item", Row::new().with("id", id).with("name", format!("item {id}")))
}

/// Items with counters; version 2 has a column more.
fn schema(version: i64) -> Schema {
    let column = |name: &str, ty: Type, nullable: bool| Column { name: name.into(), ty, nullable };
    let mut columns = vec![
        column("id", Type::Int, false),
        column("name", Type::Text { max: Some(20) }, false),
        column("price", Type::Decimal { precision: 8, scale: 2 }, true),
        column("sold", Type::Int, true),
        column("picture", Type::Bytes, true),
    ];
    if version > 1 {
        columns.push(column("shelf", Type::Text { max: None }, true));
    }
    let item = Table::new("item", columns, vec!["id".into()]);
    let restock = Operation { name: "restock".into(), arguments: vec![column("item", Type::Int, false)] };
    Schema {
        version: SchemaVersion(version),
        tables: BTreeMap::from([(Name::from("item"), item)]),
        operations: BTreeMap::from([(Name::from("restock"), restock)]),
    }
}
