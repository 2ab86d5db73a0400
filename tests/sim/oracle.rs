//! The reference: an interpreter of its own for what transactions mean, over rows that belong to no version. A ledger at
//! a version must show what [`Evolution`] makes of these rows. Uses none of the engine's or the mappers' code.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::catalogue::{COLOUR, Evolution, FAX};

/// A label that a site with the deferred check refuses when it commits.
pub(crate) const FORBIDDEN: &str = "FORBIDDEN";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Table {
    Owner,
    Item,
    Tally,
    Note,
}

impl Table {
    /// Every one, parents first.
    pub(crate) const ALL: [Self; 4] = [Self::Owner, Self::Item, Self::Tally, Self::Note];
}

/// A row, whatever the version.
pub(crate) type Key = (Table, i64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Col {
    Name,
    Code,
    Phone,
    Owner,
    Label,
    Words,
    Fax,
    Colour,
    /// In ten-thousandths.
    Price,
    Total,
    /// In hundredths.
    Big,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Datum {
    Null,
    Number(i128),
    Text(String),
    /// A name written in two parts.
    Parts(String, String),
}

pub(crate) type Cells = BTreeMap<Col, Datum>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Act {
    Insert,
    Upsert,
    Update,
    Add,
    Delete,
}

/// One mutation of one row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Write {
    pub(crate) key: Key,
    /// The version it is written at.
    pub(crate) version: i64,
    pub(crate) act: Act,
    pub(crate) cells: Cells,
    pub(crate) expect: Cells,
}

/// What a transaction meets at a site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) evolution: Evolution,
    /// The ledger's version.
    pub(crate) version: i64,
    /// Whether the site has the deferred check.
    pub(crate) checks: bool,
    /// Whether the site is the origin, which judges what a change relies on.
    pub(crate) origin: bool,
}

/// Rows of one ledger. Copies share the rows: a client and a doubtful quarantine each take one to try something on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    rows: BTreeMap<Key, Rc<Cells>>,
    revision: u64,
}

impl PartialEq for Books {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

impl Books {
    pub(crate) fn row(&self, key: Key) -> Option<&Cells> {
        self.rows.get(&key).map(AsRef::as_ref)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Key, &Cells)> {
        self.rows.iter().map(|(key, cells)| (key, cells.as_ref()))
    }

    /// Rows of one table, shared.
    pub(crate) fn table(&self, table: Table) -> impl Iterator<Item = (i64, &Rc<Cells>)> {
        let rows = self.rows.range((table, i64::MIN)..=(table, i64::MAX));
        rows.map(|((_, id), cells)| (*id, cells))
    }

    /// Another number after every transaction that was posted.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Posts a transaction whole, or says why not and leaves everything as it was.
    pub(crate) fn post(&mut self, writes: &[Write], rules: Rules) -> Result<(), &'static str> {
        let mut undo = Vec::with_capacity(writes.len());
        let done = writes.iter().try_for_each(|write| {
            undo.push((write.key, self.rows.get(&write.key).cloned()));
            self.write(write, rules)
        });
        if done.is_err() {
            for (key, before) in undo.into_iter().rev() {
                match before {
                    Some(row) => self.rows.insert(key, row),
                    None => self.rows.remove(&key),
                };
            }
        } else {
            self.revision += 1;
        }
        done
    }

    fn write(&mut self, write: &Write, rules: Rules) -> Result<(), &'static str> {
        fits(write, rules)?;
        let standing = self.rows.get(&write.key).cloned();
        let row = match (write.act, standing) {
            (Act::Insert, Some(_)) => return Err("the row is there"),
            (Act::Insert | Act::Upsert, None) => born(write),
            (Act::Update | Act::Add | Act::Delete, None) => return Err("the row is not there"),
            (Act::Upsert | Act::Update, Some(row)) => {
                expected(write, &row, rules)?;
                let mut row = row.as_ref().clone();
                row.extend(write.cells.iter().map(|(col, datum)| (*col, datum.clone())));
                row
            }
            (Act::Add, Some(row)) => sum(row.as_ref().clone(), write, rules)?,
            (Act::Delete, Some(row)) => {
                expected(write, &row, rules)?;
                self.rows.remove(&write.key);
                return self.unreferred(write.key);
            }
        };
        self.stands(write.key, &row)?;
        self.rows.insert(write.key, Rc::new(row));
        Ok(())
    }

    /// Whether a row's code is its own, and its owner there.
    fn stands(&self, key: Key, row: &Cells) -> Result<(), &'static str> {
        if let Some(code @ Datum::Text(_)) = row.get(&Col::Code)
            && self.table(key.0).any(|(other, cells)| other != key.1 && cells.get(&Col::Code) == Some(code))
        {
            return Err("another owner has the code");
        }
        match row.get(&Col::Owner) {
            Some(Datum::Number(owner)) if !self.has_owner(*owner) => Err("the owner is not there"),
            _ => Ok(()),
        }
    }

    fn has_owner(&self, owner: i128) -> bool {
        i64::try_from(owner).is_ok_and(|owner| self.rows.contains_key(&(Table::Owner, owner)))
    }

    fn unreferred(&self, (table, id): Key) -> Result<(), &'static str> {
        let me = Datum::Number(id.into());
        let refers = |(_, cells): (i64, &Rc<Cells>)| cells.get(&Col::Owner) == Some(&me);
        let mut children = self.table(Table::Item).chain(self.table(Table::Note));
        match table == Table::Owner && children.any(refers) {
            true => Err("items or notes refer to the owner"),
            false => Ok(()),
        }
    }

    /// Whether every row has a place at a version.
    pub(crate) fn fit(&self, evolution: Evolution, version: i64) -> bool {
        let mut prices = self.rows.values().filter_map(|row| row.get(&Col::Price));
        prices.all(|price| price_fits(price, evolution, version))
    }
}

fn born(write: &Write) -> Cells {
    let mut row = write.cells.clone();
    if write.key.0 == Table::Item {
        row.entry(Col::Fax).or_insert_with(|| Datum::Text(FAX.to_owned()));
        row.entry(Col::Colour).or_insert_with(|| Datum::Text(COLOUR.to_owned()));
    }
    row
}

fn sum(mut row: Cells, write: &Write, rules: Rules) -> Result<Cells, &'static str> {
    for (col, delta) in &write.cells {
        let (Some(Datum::Number(base)), Datum::Number(delta)) = (row.get(col), delta) else {
            return Err("a delta on what is no number");
        };
        let sum = Datum::Number(base + delta);
        if *col == Col::Price && !price_fits(&sum, rules.evolution, rules.version) {
            return Err("the sum does not fit");
        }
        row.insert(*col, sum);
    }
    Ok(row)
}

fn expected(write: &Write, row: &Cells, rules: Rules) -> Result<(), &'static str> {
    let Rules { evolution, version, .. } = rules;
    // What stands beside the row is seen in the row as it is at the version of the write, which must have one.
    let beside = |col: &Col| match col {
        Col::Fax => version >= evolution.drop,
        Col::Colour => version < evolution.add,
        _ => false,
    };
    let formless = || row.get(&Col::Price).is_some_and(|price| !price_fits(price, evolution, write.version));
    if rules.origin && write.expect.keys().any(beside) && formless() {
        return Err("the row has no form at the version that knows what is expected");
    }
    match rules.origin && write.expect.iter().any(|(col, datum)| row.get(col) != Some(datum)) {
        true => Err("the row does not hold what is expected"),
        false => Ok(()),
    }
}

fn fits(write: &Write, rules: Rules) -> Result<(), &'static str> {
    let Rules { evolution, version, .. } = rules;
    if write.cells.get(&Col::Price).is_some_and(|price| !price_fits(price, evolution, version)) {
        return Err("the price does not fit");
    }
    let is_forbidden = |label: &Datum| matches!(label, Datum::Text(label) if label == FORBIDDEN);
    match rules.checks && write.cells.get(&Col::Label).is_some_and(is_forbidden) {
        true => Err("the label is forbidden here"),
        false => Ok(()),
    }
}

fn price_fits(price: &Datum, evolution: Evolution, version: i64) -> bool {
    match price {
        Datum::Number(price) if version < evolution.widen => price % 100 == 0 && price.abs() < 10_000_000,
        Datum::Number(price) => price.abs() < 1_000_000_000,
        _ => true,
    }
}

/// What each key of a transaction is used for; two that are concurrent and clash on one may not both pass in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Existence,
    Update,
    Add,
    Reference,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    Row(Key),
    Code(String),
}

pub(crate) fn claims(writes: &[Write]) -> Vec<(Claim, Use)> {
    let mut claims = Vec::new();
    for write in writes {
        let used = match write.act {
            Act::Insert | Act::Upsert | Act::Delete => Use::Existence,
            Act::Update => Use::Update,
            Act::Add => Use::Add,
        };
        claims.push((Claim::Row(write.key), used));
        if let Some(Datum::Text(code)) = write.cells.get(&Col::Code) {
            claims.push((Claim::Code(code.clone()), Use::Existence));
        }
        if let Some(Datum::Number(owner)) = write.cells.get(&Col::Owner)
            && let Ok(owner) = i64::try_from(*owner)
        {
            claims.push((Claim::Row((Table::Owner, owner)), Use::Reference));
        }
    }
    claims
}

/// Whether the order of two transactions matters.
pub(crate) fn clash(a: &[(Claim, Use)], b: &[(Claim, Use)]) -> bool {
    let commute = |a: Use, b: Use| match (a, b) {
        (Use::Existence, _) | (_, Use::Existence) => false,
        (Use::Reference, _) | (_, Use::Reference) => true,
        (a, b) => a == Use::Add && b == Use::Add,
    };
    a.iter().any(|(claim, used)| b.iter().any(|(other, theirs)| other == claim && !commute(*used, *theirs)))
}
