//! The statements of a switch on MariaDB, where each commits by itself and only a RENAME changes several names at once. Both
//! sets of tables hold the same while a site is paused, so that views may change over one by one; what they read must stand
//! at every moment. Hence the stand-ins: views under the new tables' own names, until these have them. Pure text.

use std::collections::BTreeMap;

use journal_core::model::{Name, SchemaVersion, Table};
use journal_core::sql::{Dialect, quote};
use schema_mappers::SchemaSet;
use schema_mappers::ddl::{self, Sources};

use super::layout::{Ground, aside_name, staged_name, views};

/// Stands before the name of a view that is to have, or had, a new table's name.
const VIA: &str = "daybook_via_";
/// The same for the table of complements.
const VIA_COMPLEMENT: &str = "{d}complement_via";

/// How far a switch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The views of all versions come to read the new tables, under the names that these have until now.
    OverNew,
    /// The old tables step aside, and stand-ins take the names of the new ones.
    Aside,
    /// The views come to read those names.
    OverOwn,
    /// The new tables take their names from the stand-ins.
    Home,
    /// The stand-ins go.
    Clear,
}

impl Stage {
    pub(super) const ALL: [Self; 5] = [Self::OverNew, Self::Aside, Self::OverOwn, Self::Home, Self::Clear];
}

/// The statements of each stage. All of a stage may run again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandIns {
    stages: BTreeMap<Stage, Vec<String>>,
}

impl StandIns {
    /// Of a switch from version `from` to `to`; `old` and `new` are the tables that change places.
    pub(super) fn new(
        set: &SchemaSet,
        (from, to): (SchemaVersion, SchemaVersion),
        (old, new): (&[Table], &[Table]),
        ground: &Ground,
    ) -> Self {
        let renamed = new.iter().map(|table| (table.name.clone(), staged_name(&table.name))).collect();
        let over_new = Sources { renamed, complement: Some("{d}complement_new") };
        let mut first = replacing(views(set, to, ground, &over_new));
        first.extend(views_that_end(set, (from, to), ground));
        let complement = |template: &str| quote(&Dialect::MariaDb.render(template));
        let [own, staged, aside, via] =
            ["{d}complement", "{d}complement_new", "{d}complement_old", VIA_COMPLEMENT].map(complement);
        let mut names: Vec<[String; 3]> = new.iter().map(names_of).collect();
        names.push([own.clone(), staged, via]);
        let mut olds: Vec<(String, String)> =
            old.iter().map(|table| (quote(&table.name), quote(&aside_name(&table.name)))).collect();
        olds.push((own, aside));

        let mut second: Vec<String> = names
            .iter()
            .map(|[_, staged, via]| format!("CREATE OR REPLACE VIEW {via} AS SELECT * FROM {staged}"))
            .collect();
        let step_aside = olds.iter().map(|(own, aside)| format!("{own} TO {aside}"));
        second.push(rename(step_aside.chain(names.iter().map(|[own, _, via]| format!("{via} TO {own}")))));

        let places = names
            .iter()
            .flat_map(|[own, staged, via]| [format!("{own} TO {via}"), format!("{staged} TO {own}")]);
        let clear = names.iter().map(|[.., via]| format!("DROP VIEW IF EXISTS {via}"));
        let stages = [
            (Stage::OverNew, first),
            (Stage::Aside, second),
            (Stage::OverOwn, replacing(views(set, to, ground, &Sources::default()))),
            (Stage::Home, vec![rename(places)]),
            (Stage::Clear, clear.collect()),
        ];
        Self { stages: stages.into_iter().collect() }
    }

    /// The statements of one stage, in their order.
    pub(super) fn statements(&self, stage: Stage) -> &[String] {
        self.stages.get(&stage).map_or(&[], Vec::as_slice)
    }

    /// All of them, for people.
    pub(super) fn all(&self) -> Vec<String> {
        self.stages.values().flatten().cloned().collect()
    }
}

/// A new table's own name, the one it has while it is filled, and its stand-in's.
fn names_of(table: &Table) -> [String; 3] {
    let via: Name = format!("{VIA}{}", table.name).into();
    [quote(&table.name), quote(&staged_name(&table.name)), quote(&via)]
}

fn rename(pairs: impl Iterator<Item = String>) -> String {
    format!("RENAME TABLE {}", pairs.collect::<Vec<_>>().join(", "))
}

/// Readers of a view see its old text or its new one, and never none. The databases of views are there.
fn replacing(views: Vec<String>) -> Vec<String> {
    let views = views.iter().filter_map(|text| text.strip_prefix("CREATE VIEW "));
    views.map(|rest| format!("CREATE OR REPLACE VIEW {rest}")).collect()
}

/// On the way down, the views of versions above the one led to.
fn views_that_end(
    set: &SchemaSet,
    (from, to): (SchemaVersion, SchemaVersion),
    ground: &Ground,
) -> Vec<String> {
    let stay = ddl::drop_views(set, to, &ground.place).unwrap_or_default();
    let had = ddl::drop_views(set, from, &ground.place).unwrap_or_default();
    had.into_iter().filter(|text| !stay.contains(text)).collect()
}
