//! A batch put together comes to what its changes come to one by one: random batches, full of conflicts.

use journal_core::model::{Change, Name, Op, Row, Value};
use schema_mappers::MappedRow;
use schema_mappers::laws::Dice;

use super::Rig;
use super::material::{decimal, id, item, memory_rig, row};
use crate::ledger::memory::MemoryLedger;
use crate::ledger::{Ledger, LedgerChange, LedgerError};

/// Tables that the batches write, parents first.
const TABLES: [&str; 8] = ["shop", "item", "staff", "pair", "checked", "each", "cell", "part"];
/// Changes of a batch, at most.
const CHANGES_MAX: usize = 40;
/// Of a hundred changes that the ledger would refuse, so many stay in the batch.
const FAULTS_KEPT: usize = 6;

/// One in so many batches is also carried out one by one by the ledger itself. For the others the ledger in memory is the
/// definition, which the rest of the suite holds to the same: it takes a hundredth of the time.
const BY_ITSELF: usize = 10;

/// What became of the batches.
#[derive(Debug, Default)]
struct Seen {
    /// Good one by one, and together.
    both: usize,
    /// Refused either way.
    refused: usize,
    /// Good one by one only: slower, and no harm.
    one_by_one: usize,
    /// Batches that were planned in advance.
    planned: usize,
    /// Those that a ledger that plans in advance had to plan in their turn.
    unplanned: usize,
}

/// Random batches. A failure names the seed that replays it.
pub async fn a_batch_put_together_comes_to_what_one_by_one_comes_to<R: Rig>(rig: &R) {
    let mut ledger = rig.ledger().await;
    let mut definition = Definition { ledger: memory_rig("a").ledger().await, checks: rig.checks() };
    let mut seen = Seen::default();
    let seed = std::env::var("BATCH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7);
    let mut dice = Dice::new(seed);
    for batch in 0..rig.batches() {
        let changes = batch_of(&mut definition, &mut dice).await;
        let place = format!("BATCH_SEED={seed}, batch {batch}");
        let expected = definition.carry_out(&changes).await;
        let by_itself = batch % BY_ITSELF == 0;
        try_batch(&mut ledger, &changes, expected, by_itself, &mut seen, &place).await;
    }
    assert!(seen.both * 3 > rig.batches(), "too little is put together: {seen:?}");
    assert!(seen.refused * 20 > rig.batches(), "too little is refused: {seen:?}");
    assert!(seen.planned * 20 >= seen.unplanned, "too little is planned in advance: {seen:?}");
    assert!(seen.one_by_one * 20 < rig.batches(), "too much is refused only together: {seen:?}");
}

/// The changes one by one, in memory.
struct Definition {
    ledger: MemoryLedger,
    /// Whether the table `checked` has its CHECK; memory has none.
    checks: bool,
}

impl Definition {
    /// Applies changes to the open transaction; the words of the fault, if one is refused.
    async fn apply(&mut self, changes: &[LedgerChange]) -> Result<(), String> {
        for change in changes {
            match self.ledger.apply(std::slice::from_ref(change)).await {
                Ok(()) => {}
                Err(LedgerError::Fault { detail, .. }) => return Err(detail),
                Err(other) => panic!("in memory: {other}"),
            }
            if self.checks && change.change.entity.as_ref() == "checked" {
                let rows = self.ledger.fetch(&"checked".into(), &Row::new()).await.expect("fetch");
                if rows.iter().any(|row| row.row.get("amount").is_some_and(|amount| *amount < 0.into())) {
                    return Err("the check of amount says no".to_owned());
                }
            }
        }
        Ok(())
    }

    /// Carries a whole batch out, or nothing of it: all rows after it, or the words of the fault.
    async fn carry_out(&mut self, changes: &[LedgerChange]) -> Result<Vec<MappedRow>, String> {
        self.ledger.begin().await.expect("begin");
        let applied = self.apply(changes).await;
        let state = state(&mut self.ledger).await;
        match applied {
            Ok(()) => self.ledger.commit().await.expect("commit"),
            Err(_) => self.ledger.rollback().await.expect("roll back"),
        }
        applied.map(|()| state)
    }
}

async fn try_batch<L: Ledger>(
    ledger: &mut L,
    changes: &[LedgerChange],
    expected: Result<Vec<MappedRow>, String>,
    by_itself: bool,
    seen: &mut Seen,
    place: &str,
) {
    let all: Vec<&LedgerChange> = changes.iter().collect();
    ledger.begin().await.expect("begin");
    let together = apply(ledger, &all, seen).await;
    match (&together, &expected) {
        (Ok(()), Ok(expected)) => {
            assert_eq!(state(ledger).await, *expected, "{place}: {changes:#?}");
            seen.both += 1;
        }
        (Ok(()), Err(detail)) => panic!("{place}: together nobody saw that {detail}: {changes:#?}"),
        (Err(LedgerError::Fault { .. }), Ok(_)) => seen.one_by_one += 1,
        (Err(LedgerError::Fault { .. }), Err(_)) => seen.refused += 1,
        (Err(other), _) => panic!("{place}: {other}"),
    }
    if together.is_ok() && !by_itself {
        return ledger.commit().await.expect("commit");
    }
    ledger.rollback().await.expect("roll back");
    if expected.is_err() && !by_itself {
        return;
    }
    ledger.begin().await.expect("begin");
    match (ledger.apply(changes).await, &expected) {
        (Ok(()), Ok(expected)) => {
            assert_eq!(state(ledger).await, *expected, "{place}: {changes:#?}");
            ledger.commit().await.expect("commit");
        }
        (Err(LedgerError::Fault { .. }), Err(_)) => ledger.rollback().await.expect("roll back"),
        (one_by_one, expected) => panic!("{place}: {one_by_one:?}, in memory {expected:?}: {changes:#?}"),
    }
}

/// Planned in advance, where the ledger does that: every other batch.
async fn apply<L: Ledger>(
    ledger: &mut L,
    changes: &[&LedgerChange],
    seen: &mut Seen,
) -> Result<(), LedgerError> {
    let Some(planner) = ledger.planner().filter(|_| changes.len().is_multiple_of(2)) else {
        return ledger.apply_together(changes).await;
    };
    let Some(planned) = planner.plan(changes) else {
        seen.unplanned += 1;
        return ledger.apply_together(changes).await;
    };
    seen.planned += 1;
    ledger.apply_planned(planned).await.map(|done| assert!(done, "nothing changed meanwhile"))
}

/// All rows as the open transaction sees them.
async fn state<L: Ledger>(ledger: &mut L) -> Vec<MappedRow> {
    let mut rows = Vec::new();
    for table in TABLES {
        rows.extend(ledger.fetch(&Name::from(table), &Row::new()).await.expect("fetch"));
    }
    rows
}

/// Random changes, most of which the ledger takes after those before them.
async fn batch_of(definition: &mut Definition, dice: &mut Dice) -> Vec<LedgerChange> {
    let wanted = 1 + dice.below(CHANGES_MAX);
    let mut changes: Vec<LedgerChange> = Vec::new();
    definition.ledger.begin().await.expect("begin");
    for _ in 0..wanted {
        let change = change(dice);
        if dice.percent(FAULTS_KEPT) {
            changes.push(change);
            continue;
        }
        if definition.apply(std::slice::from_ref(&change)).await.is_ok() {
            changes.push(change);
        } else {
            // A fault ends a transaction: what was good so far is done again.
            definition.ledger.rollback().await.expect("roll back");
            definition.ledger.begin().await.expect("begin");
            if definition.apply(&changes).await.is_err() {
                break;
            }
        }
    }
    definition.ledger.rollback().await.expect("roll back");
    changes
}

fn change(dice: &mut Dice) -> LedgerChange {
    let nr = |dice: &mut Dice| -> Value { dice.between(0, 4).into() };
    let own = nr(dice);
    let key = Row::new().with("id", own.clone());
    let change = match dice.below(16) {
        0 => {
            let whole = row([("id", own), ("name", dice.between(0, 9).to_string().as_str().into())]);
            either("shop", whole, dice)
        }
        1 => Change::delete("shop", key),
        2 | 3 => {
            let cells =
                [("shop", maybe(nr(dice), dice)), ("code", code(dice)), ("stock", maybe(3.into(), dice))];
            let Value::Int(id) = own else { unreachable!("a number") };
            Change::insert("item", item(id, row(cells)))
        }
        4 => Change::delete("item", key),
        5 | 6 => Change::update("item", key, item_cells(dice)),
        7 => {
            let delta = if dice.percent(8) { i64::MAX - 5 } else { dice.between(-3, 3) };
            let price = decimal(if dice.percent(8) { "99999999" } else { "-0.25" });
            let both = row([("stock", delta.into()), ("price", price)]);
            let one = row([("stock", delta.into())]);
            Change::add("item", key, if dice.percent(40) { both } else { one })
        }
        8 => {
            let boss = maybe(nr(dice), dice);
            either("staff", row([("id", own), ("boss", boss)]), dice)
        }
        9 => pair(dice),
        10 => {
            let amount = dice.between(-1, 8);
            either("checked", row([("id", own), ("amount", amount.into())]), dice)
        }
        11 => each(key, dice),
        12 | 13 => part(key, dice),
        14 => {
            let whole = row([("a", own), ("b", dice.between(0, 1).into())]);
            if dice.percent(40) { Change::delete("cell", whole) } else { either("cell", whole, dice) }
        }
        _ => {
            let amount = row([("amount", dice.between(-4, 4).into())]);
            if dice.percent(50) {
                Change::add("checked", key, amount)
            } else {
                Change::update("checked", key, amount)
            }
        }
    };
    let mut image = LedgerChange::new(change);
    if image.change.op == Op::Insert && dice.percent(20) {
        image.complement.set = row([("2:gone", dice.between(0, 9).into())]);
    } else if image.change.op == Op::Update && dice.percent(10) {
        image.complement.set = row([("2:left", dice.between(0, 9).into())]);
    }
    image
}

/// An insert of a row, now and then an upsert.
fn either(table: &str, whole: Row, dice: &mut Dice) -> Change {
    if dice.percent(25) { Change::upsert(table, whole) } else { Change::insert(table, whole) }
}

fn pair(dice: &mut Dice) -> Change {
    let key = row([("a", if dice.percent(50) { "x" } else { "y" }.into()), ("b", dice.between(0, 2).into())]);
    let v = row([("v", dice.between(0, 9).to_string().as_str().into())]);
    match dice.below(4) {
        0 => {
            let mut whole = key;
            whole.extend(v);
            Change::insert("pair", whole)
        }
        1 => {
            let mut whole = key;
            whole.extend(v);
            Change::upsert("pair", whole)
        }
        2 => Change::delete("pair", key),
        _ => Change::update("pair", key, v),
    }
}

/// A change of the child of two parents. Now and then it says nothing of a parent, or half.
fn part(key: Row, dice: &mut Dice) -> Change {
    let mut cells = Row::new();
    for (column, most) in [("shop", 4), ("a", 4), ("b", 1), ("n", 9)] {
        if dice.percent(85) {
            cells.set(column, maybe(dice.between(0, most).into(), dice));
        }
    }
    match dice.below(6) {
        0 => Change::delete("part", key),
        1 | 2 => {
            cells.extend(key);
            Change::upsert("part", cells)
        }
        3 => {
            cells.extend(key);
            Change::insert("part", cells)
        }
        4 => Change::add("part", key, row([("n", dice.between(-3, 3).into())])),
        _ => Change::update("part", key, cells),
    }
}

/// A change of the table whose changes are not folded.
fn each(key: Row, dice: &mut Dice) -> Change {
    let n = row([("n", maybe(dice.between(-3, 3).into(), dice))]);
    match dice.below(6) {
        0 => Change::delete("each", key),
        1 | 2 => {
            let mut whole = key;
            whole.extend(n);
            either("each", whole, dice)
        }
        3 => Change::add("each", key, row([("n", dice.between(-3, 3).into())])),
        4 => Change::update("each", key, row([("note", "n".into())])),
        _ => Change::update("each", key, n),
    }
}

fn item_cells(dice: &mut Dice) -> Row {
    match dice.below(6) {
        0 => row([("code", code(dice))]),
        1 => row([("shop", maybe(dice.between(0, 4).into(), dice))]),
        2 => row([("stock", dice.between(0, 99).into()), ("note", "n".into())]),
        3 => row([("price", maybe(decimal("12.50"), dice))]),
        4 => row([("title", dice.between(0, 9).to_string().as_str().into())]),
        _ => id(dice.between(0, 4)),
    }
}

fn code(dice: &mut Dice) -> Value {
    if dice.percent(40) { Value::Null } else { ["k", "l", "m"][dice.below(3)].into() }
}

fn maybe(value: Value, dice: &mut Dice) -> Value {
    if dice.percent(30) { Value::Null } else { value }
}
