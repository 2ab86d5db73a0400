//! The keys of changes that have no image before a row is read, as far as they can be told: those of transactions that
//! cannot be prepared, and of changes that meet rows. A transaction waits whole, and what touches the same keys must wait
//! behind it; so one value without a place at the ledger's version must not hide its row's key. Pure.

use journal_core::codec::payload;
use journal_core::model::{Change, Name, Op, Row, Schema, SchemaVersion, StoredTransaction};
use schema_mappers::{Mapped, MappedRow, Meeting, Plan, Registry};

use super::keys::{Kind, Touch, told, touch_keys, touch_row, touch_row_claims};
use super::prepare::{Judge, Keys, prepare};
use super::roots::touch_roots;

/// All keys of a transaction that can be prepared; else those of every entry that can be read, without the cells that
/// have no image in the ledger.
pub fn touched(transaction: &StoredTransaction, registry: &Registry, to: SchemaVersion) -> Vec<Touch> {
    if let Ok(ready) = prepare(transaction, registry, to, Judge::Peer, Keys::Told) {
        return ready.touches;
    }
    let from = transaction.schema_version;
    let (Ok(schema), Ok(target)) = (registry.schema(from), registry.ledger(to)) else { return Vec::new() };
    let mut touches = Vec::new();
    for entry in &transaction.entries {
        let Ok(change) = payload::decode(entry, schema) else { continue };
        touch_roots(&change, registry, (schema, from), &mut touches);
        let change = Change { expect: Row::new(), ..change };
        touch_mapped(change, registry, (schema, from), (target, to), &mut touches);
    }
    told(touches)
}

/// The keys of a change, or of the parts of it that can be mapped.
fn touch_mapped(
    change: Change,
    registry: &Registry,
    from: (&Schema, SchemaVersion),
    to: (&Schema, SchemaVersion),
    out: &mut Vec<Touch>,
) {
    if change.op == Op::Call {
        for each in registry.expand(from.1, to.1, &change).unwrap_or_default() {
            touch_mapped(each, registry, from, to, out);
        }
        return;
    }
    let mapped = |change: Change| registry.map(from.1, to.1, change).ok();
    match mapped(change.clone()) {
        Some(plan) => touch_plan(plan, registry, from, to, out),
        None => {
            for plan in parts(&change, from.0, mapped).into_iter().filter_map(mapped) {
                touch_plan(plan, registry, from, to, out);
            }
        }
    }
}

fn touch_plan(
    plan: Plan,
    registry: &Registry,
    from: (&Schema, SchemaVersion),
    to: (&Schema, SchemaVersion),
    out: &mut Vec<Touch>,
) {
    match plan {
        Plan::Images(images) => touch_keys(&images.into_iter().collect::<Vec<_>>(), to.0, out),
        Plan::Meets(meeting) => touch_met(&meeting, registry, from, to, out),
        Plan::Several(plans) => plans.into_iter().for_each(|plan| touch_plan(plan, registry, from, to, out)),
    }
}

/// The keys of a change that meets rows. Rows of tables that are tied together need no more than their root, which stands
/// for them all, and what they are unique by and refer to; of any other row, what maps without it, and the row.
pub(super) fn touch_met(
    meeting: &Meeting,
    registry: &Registry,
    (schema, from): (&Schema, SchemaVersion),
    (target, to): (&Schema, SchemaVersion),
    out: &mut Vec<Touch>,
) {
    let change = &meeting.change;
    if registry.is_tied(from, &change.entity) {
        let claims = |rows: &Vec<MappedRow>| {
            let mut claims = Vec::new();
            rows.iter().for_each(|row| touch_row_claims(row, target, &mut claims));
            claims
        };
        let told = |change: Change| registry.outline(from, to, &change);
        let whole = told(change.clone()).map(|told| vec![told]);
        let parts = || parts(change, schema, told).into_iter().filter(|part| !part.cells.is_empty());
        for outline in whole.unwrap_or_else(|| parts().filter_map(told).collect()) {
            let [first, second] = outline.each_ref().map(claims);
            out.extend(first.into_iter().filter(|touch| second.contains(touch)));
        }
        return;
    }
    let mapped = |change: Change| -> Option<Mapped> { registry.map(from, to, change).ok()?.images() };
    let images: Vec<_> = parts(change, schema, mapped).into_iter().filter_map(mapped).flatten().collect();
    touch_keys(&images, target, out);
    let kind = match change.op {
        Op::Add => Kind::Add,
        // A second row is the one that it becomes.
        Op::Update if meeting.selectors.len() < 2 => Kind::Update,
        Op::Update | Op::Insert | Op::Upsert | Op::Delete | Op::Call => Kind::Existence,
    };
    for selector in &meeting.selectors {
        let table = target.tables.get(&selector.table);
        if let Some((table, key)) =
            table.and_then(|table| Some((table, table.key_values(&selector.columns)?)))
        {
            touch_row(table, &key, kind, out);
        }
    }
}

/// A change in two: what it is to its row, and the cells of it that can be mapped.
fn parts<M>(change: &Change, schema: &Schema, mapped: impl Fn(Change) -> Option<M>) -> Vec<Change> {
    let Some(table) = schema.tables.get(&change.entity) else { return Vec::new() };
    let source = if change.key.is_empty() { &change.cells } else { &change.key };
    let Some(key) = table.key_row(source) else { return Vec::new() };
    let (entity, none) = (change.entity.clone(), Row::new());
    let row = match change.op {
        Op::Update => Change::update(entity.clone(), key.clone(), none),
        Op::Add => return vec![Change::add(entity, key, none)],
        Op::Insert | Op::Upsert | Op::Delete | Op::Call => Change::delete(entity.clone(), key.clone()),
    };
    let alone = |name: &Name| !table.together.iter().any(|group| group.contains(name));
    let singles = change.cells.names().filter(|name| alone(name)).map(std::slice::from_ref);
    let mut cells = Row::new();
    for group in singles.chain(table.together.iter().map(Vec::as_slice)) {
        let part: Row =
            group.iter().filter_map(|name| Some((name.clone(), change.cells.get(name)?.clone()))).collect();
        if !part.is_empty() && mapped(Change::update(entity.clone(), key.clone(), part.clone())).is_some() {
            cells.extend(part);
        }
    }
    vec![row, Change::update(entity, key, cells)]
}

#[cfg(test)]
mod tests {
    use journal_core::model::{Codec, Epoch, Origin, SiteName, TransNr, TransactionId, Value};
    use schema_mappers::{CallMapper, CannotMap, RustMappers, SchemaSet, VersionSource};

    use super::*;
    use crate::engine::held::Held;
    use crate::engine::prepare::Part;

    const OLDER: &str = "[table.t]\nkey = [\"id\"]\nunique = [[\"code\"]]\n[table.t.columns]\nid = \"int\"\n\
                         code = { type = \"text\", null = true }\nprice = \"decimal(5,2)\"\n";
    const MAPPING: &str =
        "[[map]]\nop = \"change_type\"\ntable = \"t\"\ncolumn = \"price\"\nto = \"decimal(9,4)\"\n";

    /// Beside it, a table that the newer version splits in two.
    const OWNER: &str = "[table.owner]\nkey = [\"id\"]\nunique = [[\"code\"]]\n[table.owner.columns]\nid = \"int\"\n\
                         code = { type = \"text\", null = true }\nfee = \"decimal(5,2)\"\n";
    const PHONE: &str = "phone = { type = \"text\", null = true }\n";
    const CONTACT: &str = "[table.contact]\nkey = [\"id\"]\nparents = [{ columns = [\"id\"], table = \"owner\" }]\n\
                           [table.contact.columns]\nid = \"int\"\n";
    const SPLIT: &str = "[[map]]\nop = \"split_table\"\ntable = \"owner\"\ninto = \"contact\"\n\
                         columns = [\"phone\"]\n[[map]]\nop = \"change_type\"\ntable = \"owner\"\n\
                         column = \"fee\"\nto = \"decimal(9,4)\"\n";

    const REPRICE: &str = "[operation.reprice.arguments]\nid = \"int\"\n";

    /// Gives a row of `t` a price that only the newer version holds, and its owner a code.
    #[derive(Debug)]
    struct Reprice;

    impl CallMapper for Reprice {
        fn expand(&self, arguments: &Row) -> Result<Vec<Change>, CannotMap> {
            let price = Row::new().with("price", Value::Decimal("1.2345".parse().unwrap()));
            let code = Row::new().with("code", "p");
            let changes = [("t", price), ("owner", code)];
            Ok(changes.map(|(table, cells)| Change::update(table, arguments.clone(), cells)).to_vec())
        }
    }

    fn registry() -> Registry {
        let newer = format!("{OLDER}{OWNER}{CONTACT}{PHONE}{REPRICE}").replace("5,2", "9,4");
        let (older, mapping) = (format!("{OLDER}{OWNER}{PHONE}"), format!("{MAPPING}{SPLIT}"));
        let older = VersionSource::new(SchemaVersion(1), [("schema.toml", older.as_str())]);
        let newer = VersionSource::new(
            SchemaVersion(2),
            [("schema.toml", newer.as_str()), ("mapping.toml", mapping.as_str())],
        );
        let mappers = RustMappers::none().with_call(SchemaVersion(2), "reprice", Reprice);
        Registry::new(SchemaSet::from_sources(vec![older, newer]).unwrap(), mappers).unwrap()
    }

    fn transaction(trans_nr: i64, changes: &[&Change]) -> StoredTransaction {
        let (registry, schema_version) = (registry(), SchemaVersion(2));
        let schema = registry.schema(schema_version).unwrap();
        let entries = (1..)
            .zip(changes)
            .map(|(nr, change)| payload::encode(change, nr, Codec::Bincode, schema).unwrap());
        let origin = Origin { site: SiteName::new("a").unwrap(), epoch: Epoch(1) };
        StoredTransaction {
            id: TransactionId { origin, trans_nr: TransNr(trans_nr) },
            tx_id: uuid::Uuid::from_u128(1),
            schema_version,
            author: "test".into(),
            appended_at: 0,
            entries: entries.collect(),
        }
    }

    fn touched_by(change: &Change) -> Vec<Touch> {
        touched(&transaction(1, &[change]), &registry(), SchemaVersion(1))
    }

    fn row(id: i64, code: &str, price: &str) -> Row {
        let price = Value::Decimal(price.parse().unwrap());
        Row::new().with("id", id).with("code", code).with("price", price)
    }

    fn id(id: i64) -> Row {
        Row::new().with("id", id)
    }

    /// A price with four digits, where the ledger's version has two, once let later writes of the row go ahead.
    #[test]
    fn a_value_without_a_place_does_not_hide_the_keys_of_its_transaction() {
        let price = Row::new().with("price", Value::Decimal("1.2345".parse().unwrap()));
        let narrow = Row::new().with("price", Value::Decimal("1.20".parse().unwrap()));
        let update = Change::update("t", id(1), narrow.clone());
        for held in [
            Change::insert("t", row(1, "x", "1.2345")),
            Change::upsert("t", row(1, "x", "1.2345")),
            Change::update("t", id(1), price.clone()),
            Change::add("t", id(1), price),
        ] {
            let mut index = Held::default();
            index.insert(&transaction(1, &[&held]).id, &touched_by(&held));
            assert!(index.blocker(&touched_by(&update)).is_some(), "{held:?}");
            assert!(index.blocker(&touched_by(&Change::delete("t", id(1)))).is_some(), "{held:?}");
            assert!(index.blocker(&touched_by(&Change::delete("t", id(2)))).is_none(), "{held:?}");
            let same_code = touched_by(&Change::insert("t", row(2, "x", "1.20")));
            assert_eq!(index.blocker(&same_code).is_some(), held.cells.contains("code"), "{held:?}");
            let delta = touched_by(&Change::add("t", id(1), narrow.clone()));
            assert_eq!(index.blocker(&delta).is_some(), held.op != Op::Add, "{held:?}: deltas commute");
        }
    }

    /// What an upsert of tied tables is unique by was once forgotten when another change of its transaction could not be
    /// mapped, or another cell of its own. Found by the simulator.
    #[test]
    fn a_change_of_tied_tables_keeps_what_it_is_unique_by_when_its_transaction_cannot_be_mapped() {
        let cells =
            |fee: &str| Row::new().with("code", "x").with("fee", Value::Decimal(fee.parse().unwrap()));
        let owner = |nr: i64| {
            let mut row = id(nr);
            row.extend(cells("1.00"));
            Change::upsert("owner", row)
        };
        let unmappable = Change::insert("t", row(1, "y", "1.2345"));
        let changed = Change::update("owner", id(1), cells("1.2345"));
        for held in [vec![&owner(1), &unmappable], vec![&changed]] {
            let held = transaction(1, &held);
            let mut index = Held::default();
            index.insert(&held.id, &touched(&held, &registry(), SchemaVersion(1)));
            assert!(index.blocker(&touched_by(&owner(2))).is_some(), "{held:?}");
            let other = Row::new().with("id", 2).with("code", "z");
            assert!(index.blocker(&touched_by(&Change::upsert("owner", other))).is_none(), "{held:?}");
        }
    }

    /// A call of which one change had no place was once held without any key.
    #[test]
    fn a_call_that_cannot_be_mapped_holds_the_keys_of_its_changes() {
        let held = transaction(1, &[&Change::call("reprice", id(1))]);
        assert!(prepare(&held, &registry(), SchemaVersion(1), Judge::Peer, Keys::Told).is_err());
        let mut index = Held::default();
        index.insert(&held.id, &touched(&held, &registry(), SchemaVersion(1)));
        assert!(index.blocker(&touched_by(&Change::delete("t", id(1)))).is_some());
        assert!(index.blocker(&touched_by(&Change::delete("t", id(2)))).is_none());
        assert!(
            index
                .blocker(&touched_by(&Change::update("owner", id(1), Row::new().with("code", "q"))))
                .is_some()
        );
        assert!(
            index
                .blocker(&touched_by(&Change::update("owner", id(2), Row::new().with("code", "q"))))
                .is_none()
        );
    }

    /// An old value is expected of a column that the ledger's version no longer holds in that form.
    #[test]
    fn a_peer_does_not_judge_again_what_a_change_relied_on() {
        let wide = Row::new().with("price", Value::Decimal("1.2345".parse().unwrap()));
        let change = Change::update("t", id(1), Row::new().with("code", "y")).expecting(wide);
        let prepared =
            |judge| prepare(&transaction(1, &[&change]), &registry(), SchemaVersion(1), judge, Keys::Told);
        assert!(prepared(Judge::Origin).is_err());
        let parts = prepared(Judge::Peer).unwrap().parts;
        let [Part::Changes(changes)] = parts.as_slice() else { panic!("{parts:?}") };
        assert!(changes.iter().all(|image| image.change.expect.is_empty()));
    }
}
