//! Draws what a history consists of: its plan, and the transactions of its clients, most valid and some not.

use journal_core::codec::payload;
use journal_core::journal::ReadLimit;
use journal_core::model::{Codec, NewTransaction, Op, SchemaVersion};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::catalogue::{Evolution, NEWEST, registry};
use crate::forms::changes_at;
use crate::oracle::{Act, Books, Cells, Col, Datum, FORBIDDEN, Table, Write};

/// Shared counters.
pub(crate) const TALLIES: i64 = 2;

/// What a seed draws before anything happens.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) sites: usize,
    /// Each key is written by one site only, but for the counters: nothing may stay in quarantine.
    pub(crate) exclusive: bool,
    pub(crate) evolution: Evolution,
    pub(crate) keys: i64,
    pub(crate) steps: usize,
    pub(crate) batch: ReadLimit,
    /// Which sites have the deferred check.
    pub(crate) checks: Vec<bool>,
    /// The versions that the sites' first processes know.
    pub(crate) known: i64,
    /// Chance that a step arms a trouble.
    pub(crate) troubles: f64,
}

impl Plan {
    pub(crate) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let sites = rng.random_range(2..=3);
        let exclusive = rng.random_bool(0.5);
        let all = rng.random_bool(0.5);
        let checks = (0..sites).map(|_| if exclusive { all } else { rng.random_bool(0.5) }).collect();
        let bytes = if rng.random_bool(0.5) { 1 << 20 } else { 400 };
        Self {
            sites,
            exclusive,
            evolution: Evolution::new(rng.random_range(0..512)),
            keys: rng.random_range(5..=20),
            steps: rng.random_range(60..=140),
            batch: ReadLimit { transactions: rng.random_range(1..=8), bytes },
            checks,
            known: rng.random_range(2..=NEWEST),
            troubles: if rng.random_bool(0.2) { 0.0 } else { rng.random_range(0.0..0.15) },
        }
    }
}

/// What makes a transaction faulty whatever the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    Unreadable,
    UnknownOp,
    UnknownTable,
    UnknownColumn,
}

/// A transaction's content.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) version: i64,
    pub(crate) writes: Vec<Write>,
    pub(crate) defect: Option<Defect>,
}

impl Drawn {
    /// The counters, which must stand before anything is added to them.
    pub(crate) fn counters() -> Self {
        let zero = Cells::from([(Col::Total, Datum::Number(0)), (Col::Big, Datum::Number(0))]);
        let write = |id| Write {
            key: (Table::Tally, id),
            version: 1,
            act: Act::Insert,
            cells: zero.clone(),
            expect: Cells::new(),
        };
        Self { version: 1, writes: (0..TALLIES).map(write).collect(), defect: None }
    }

    /// One transaction of a client at a site whose ledger holds `books`.
    pub(crate) fn draw(rng: &mut ChaCha8Rng, plan: &Plan, site: usize, books: &Books) -> Self {
        let version = rng.random_range(1..=NEWEST);
        let mut drawing = Drawing { rng, plan, site, version, books };
        let mut writes: Vec<Write> = (0..drawing.rng.random_range(1..=3)).map(|_| drawing.write()).collect();
        if drawing.rng.random_bool(0.7) {
            writes.push(drawing.add());
        }
        let defects = [Defect::Unreadable, Defect::UnknownOp, Defect::UnknownTable, Defect::UnknownColumn];
        let defect = rng.random_bool(0.03).then(|| defects[rng.random_range(0..4)]);
        Self { version, writes, defect }
    }

    /// As a client sends it.
    pub(crate) fn encode(&self, rng: &mut ChaCha8Rng, evolution: Evolution) -> NewTransaction {
        let registry = registry(evolution, NEWEST);
        let schema = registry.schema(SchemaVersion(self.version)).expect("a known version");
        let codec = if rng.random_bool(0.7) { Codec::Bincode } else { Codec::Json };
        let changes = self.writes.iter().flat_map(|write| changes_at(write, self.version, evolution));
        let mut entries: Vec<_> = (1..)
            .zip(changes)
            .map(|(nr, mut change)| {
                if self.defect == Some(Defect::UnknownColumn) {
                    let cells = if change.op == Op::Delete { &mut change.key } else { &mut change.cells };
                    cells.set("nowhere", 1);
                }
                payload::encode(&change, nr, codec, schema).expect("it encodes")
            })
            .collect();
        let last = entries.len() - 1;
        match self.defect {
            Some(Defect::Unreadable) => drop(entries[last].payload.pop()),
            Some(Defect::UnknownOp) => entries[last].op = "merge".into(),
            Some(Defect::UnknownTable) => entries[last].entity = "nobody".into(),
            Some(Defect::UnknownColumn) | None => {}
        }
        let (schema_version, author) = (SchemaVersion(self.version), "sim".into());
        NewTransaction { tx_id: Uuid::from_u128(rng.random()), schema_version, author, entries }
    }
}

struct Drawing<'a> {
    rng: &'a mut ChaCha8Rng,
    plan: &'a Plan,
    site: usize,
    version: i64,
    books: &'a Books,
}

impl Drawing<'_> {
    fn id(&mut self) -> i64 {
        let id = self.rng.random_range(0..self.plan.keys);
        let sites = i64::try_from(self.plan.sites).expect("few sites");
        let site = i64::try_from(self.site).expect("few sites");
        if self.plan.exclusive { id / sites * sites + site } else { id }
    }

    fn add(&mut self) -> Write {
        let (total, big) = (self.rng.random_range(1..1000), self.rng.random_range(-1..i64::MAX / 4));
        let cells = Cells::from([(Col::Total, Datum::Number(total)), (Col::Big, Datum::Number(big.into()))]);
        let key = (Table::Tally, self.rng.random_range(0..TALLIES));
        Write { key, version: self.version, act: Act::Add, cells, expect: Cells::new() }
    }

    fn write(&mut self) -> Write {
        let table = match self.rng.random_range(0..100) {
            0..40 => Table::Owner,
            40..55 if self.version >= self.plan.evolution.note => Table::Note,
            _ => Table::Item,
        };
        let key = (table, self.id());
        let stands = self.books.row(key).is_some() != self.rng.random_bool(0.06);
        let act = match (stands, self.rng.random_range(0..100)) {
            (false, 0..80) => Act::Insert,
            (false, _) => Act::Upsert,
            (true, 0..60) => Act::Update,
            (true, 60..72) => Act::Upsert,
            (true, 72..85) if table == Table::Item => Act::Add,
            (true, _) => Act::Delete,
        };
        let mut cells = match act {
            Act::Delete => Cells::new(),
            Act::Add => Cells::from([(Col::Price, self.price())]),
            Act::Insert | Act::Upsert | Act::Update => self.row(table),
        };
        if act == Act::Update {
            let keep = self.rng.random_range(0..cells.len());
            let (mut at, rng) = (0, &mut *self.rng);
            cells.retain(|_, _| {
                at += 1;
                at - 1 == keep || rng.random_bool(0.3)
            });
        }
        let expect = match act {
            Act::Update | Act::Delete if self.rng.random_bool(0.25) => self.expect((table, key.1)),
            _ => Cells::new(),
        };
        Write { key, version: self.version, act, cells, expect }
    }

    /// A whole row of a table, as far as the version knows its columns.
    fn row(&mut self, table: Table) -> Cells {
        let evolution = self.plan.evolution;
        let mut cells = Cells::new();
        if table == Table::Owner {
            cells.insert(Col::Name, self.name());
            cells.insert(Col::Code, self.code());
            cells.insert(Col::Phone, self.phone());
            return cells;
        }
        let owner = if self.rng.random_bool(0.3) { Datum::Null } else { self.owner() };
        cells.insert(Col::Owner, owner);
        if table == Table::Note {
            cells.insert(Col::Words, Datum::Text(self.pick(&["", "vip", "late"]).to_owned()));
            return cells;
        }
        let label = if self.rng.random_bool(0.015) {
            FORBIDDEN
        } else {
            self.pick(&["", "ALIEN", "BABY DOLL", "ÆON"])
        };
        cells.insert(Col::Label, Datum::Text(label.to_owned()));
        if self.version < evolution.drop {
            cells.insert(Col::Fax, Datum::Text(self.pick(&["none", "12", ""]).to_owned()));
        }
        if self.version >= evolution.add {
            cells.insert(Col::Colour, Datum::Text(self.pick(&["red", "blue", ""]).to_owned()));
        }
        let price = self.price();
        cells.insert(Col::Price, price);
        cells
    }

    fn owner(&mut self) -> Datum {
        let standing: Vec<i64> =
            self.books.rows().filter(|(key, _)| key.0 == Table::Owner).map(|(key, _)| key.1).collect();
        let id = self.id();
        let mine: Vec<i64> = match self.plan.exclusive {
            true => standing
                .into_iter()
                .filter(|owner| (owner - id) % i64::try_from(self.plan.sites).expect("few") == 0)
                .collect(),
            false => standing,
        };
        if self.rng.random_bool(0.04) {
            return Datum::Number(id.into());
        }
        mine.get(self.rng.random_range(0..mine.len().max(1)))
            .map_or(Datum::Null, |owner| Datum::Number((*owner).into()))
    }

    fn name(&mut self) -> Datum {
        if self.version < self.plan.evolution.split {
            return Datum::Text(
                self.pick(&["MARY SMITH", "CHER", "ANNA VAN DER BERG", "", " X", "TRAIL "]).to_owned(),
            );
        }
        let parts = [("MARY", "SMITH"), ("ANNA VAN", "BERG"), ("CHER", ""), ("", "X"), ("A", "B C")];
        let (first, last) = parts[self.rng.random_range(0..parts.len())];
        Datum::Parts(first.to_owned(), last.to_owned())
    }

    fn code(&mut self) -> Datum {
        match (self.plan.exclusive, self.rng.random_range(0..20)) {
            (_, 0..3) => Datum::Null,
            (true, nr) => Datum::Text(format!("{}-{nr}", self.site)),
            (false, 3) => Datum::Text(String::new()),
            (false, nr) => Datum::Text(nr.to_string()),
        }
    }

    fn phone(&mut self) -> Datum {
        match self.rng.random_range(0..10) {
            0..4 => Datum::Null,
            4 => Datum::Text(String::new()),
            // A number that looks like the code, which only the older side can mean.
            5 if self.version < self.plan.evolution.require => Datum::Text("?".to_owned()),
            nr => Datum::Text(format!("555-{nr}")),
        }
    }

    fn price(&mut self) -> Datum {
        let cents = i128::from(self.rng.random_range(-200..90_000)) * 100;
        let wide = self.version >= self.plan.evolution.widen && self.rng.random_bool(0.12);
        Datum::Number(match (wide, self.rng.random_bool(0.5)) {
            (false, _) => cents,
            (true, true) => cents + 37,
            (true, false) => cents + 10_000_000,
        })
    }

    fn expect(&mut self, key: (Table, i64)) -> Cells {
        let evolution = self.plan.evolution;
        let cols = [
            (Col::Label, true),
            (Col::Words, true),
            (Col::Fax, self.version < evolution.drop),
            (Col::Colour, self.version >= evolution.add),
        ];
        let mut expect = Cells::new();
        for (col, seen) in cols {
            if seen
                && self.rng.random_bool(0.4)
                && let Some(datum) = self.books.row(key).and_then(|row| row.get(&col))
            {
                let wrong = self.rng.random_bool(0.15);
                expect.insert(col, if wrong { Datum::Text("WRONG".to_owned()) } else { datum.clone() });
            }
        }
        expect
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.rng.random_range(0..texts.len())]
    }
}
