//! The tables of the older version on their way to the newer one, changed by one operation after the other, and the
//! operations in their order. Knows what operations do to tables, never what they do to rows.

use std::collections::{BTreeMap, BTreeSet};

use journal_core::model::{Name, Schema, SchemaVersion, Table};

use super::reader::{Fields, Node};
use crate::error::SetError;
use crate::group::{GroupStep, Stage, Structure, root_of};
use crate::kept;
use crate::ops::Operation;
use crate::step::{Direction, Step, TableStep};

/// All tables of a step on their way.
#[derive(Debug)]
pub(crate) struct Drafts {
    version: SchemaVersion,
    tables: BTreeMap<Name, Draft>,
    dropped: Vec<Draft>,
    threads: Vec<Thread>,
}

/// A table on its way from the older version to the newer one.
#[derive(Debug)]
struct Draft {
    table: Table,
    /// Where it belongs.
    thread: usize,
    /// Whether an operation of the step made a key unique.
    adds_unique: bool,
}

/// Tables that are tied together, and what is done to them.
#[derive(Debug, Default)]
struct Thread {
    older: Vec<Name>,
    stages: Vec<Stage>,
    /// The first operation that tied tables together.
    tied: Option<Node>,
}

impl Drafts {
    pub(super) fn new(older: &Schema, version: SchemaVersion) -> Self {
        let mut drafts = Self { version, tables: BTreeMap::new(), dropped: Vec::new(), threads: Vec::new() };
        older.tables.values().for_each(|table| drafts.begin(table.name.clone(), table.clone()));
        drafts
    }

    fn begin(&mut self, older: Name, table: Table) {
        let draft = Draft { table, thread: self.threads.len(), adds_unique: false };
        self.threads.push(Thread { older: vec![older], ..Thread::default() });
        self.tables.insert(draft.table.name.clone(), draft);
    }

    /// The tables as they stand so far.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().map(|draft| &draft.table)
    }

    /// One table as it stands so far.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name).map(|draft| &draft.table)
    }

    /// Whether the step has made a key of a table unique: rows of the older version need not keep to it.
    pub(crate) fn adds_unique(&self, name: &Name) -> bool {
        self.tables.get(name).is_some_and(|draft| draft.adds_unique)
    }

    /// A table that refers to a table, so far.
    pub(crate) fn child_of(&self, name: &Name) -> Option<&Name> {
        let refers = |table: &&Table| table.parents.iter().any(|parent| parent.table == *name);
        self.tables().find(refers).map(|table| &table.name)
    }

    /// The names of all tables so far, for messages.
    pub(super) fn names(&self) -> String {
        self.tables.keys().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
    }

    /// The table that a key of an operation names, which must exist so far: its name and what it is.
    pub(crate) fn existing(&self, fields: &mut Fields<'_>, key: &str) -> Result<(Name, Table), SetError> {
        let node = fields.required(key)?;
        let name = node.text(key)?;
        match self.table(name) {
            Some(table) => Ok((table.name.clone(), table.clone())),
            None => Err(node.fault(format!(
                "at this place of the mapping there is no table {name:?}; there are {}",
                self.names()
            ))),
        }
    }

    /// Takes in what an operation made of a table.
    pub(super) fn change(
        &mut self,
        name: &Name,
        table: Table,
        operation: Box<dyn Operation>,
        node: &Node,
    ) -> Result<(), SetError> {
        let Some(mut draft) = self.tables.remove(name) else { return Ok(()) };
        if self.tables.contains_key(&table.name) {
            return Err(
                node.fault(format!("there is a table {:?} already at this place of the mapping", table.name))
            );
        }
        let thread = &mut self.threads[draft.thread];
        thread.stages.push(Stage::Columns { older: name.clone(), newer: table.name.clone(), operation });
        check_cells(&thread.stages, &table.name, node)?;
        draft.adds_unique |= table.unique.len() > draft.table.unique.len();
        draft.table = table;
        let renamed = draft.table.name.clone();
        let others = self.tables.values_mut().chain(&mut self.dropped).chain([&mut draft]);
        for parent in others.flat_map(|other| &mut other.table.parents) {
            if parent.table == *name {
                parent.table = renamed.clone();
            }
        }
        self.tables.insert(renamed, draft);
        Ok(())
    }

    /// Takes in an operation that ties tables together: `tables` stand where those that it takes stood.
    pub(crate) fn tie(
        &mut self,
        structure: Box<dyn Structure>,
        tables: Vec<Table>,
        node: &Node,
    ) -> Result<(), SetError> {
        let taken: Vec<Draft> =
            structure.older().iter().filter_map(|name| self.tables.remove(name)).collect();
        let mut joined = Thread { tied: Some(node.clone()), ..Thread::default() };
        let threads: BTreeSet<usize> = taken.iter().map(|draft| draft.thread).collect();
        for thread in &threads {
            let thread = std::mem::take(&mut self.threads[*thread]);
            joined.older.extend(thread.older);
            joined.stages.extend(thread.stages);
            joined.tied = thread.tied.or(joined.tied);
        }
        if let Some(new) = joined.older.iter().find(|name| kept::is_kept(name)) {
            return Err(node.fault(format!(
                "{} begins in this version and cannot be tied to others in it; put this operation into a version of its own",
                new.rsplit('_').next().unwrap_or(new)
            )));
        }
        joined.stages.push(Stage::Structure(structure));
        for table in &tables {
            check_cells(&joined.stages, &table.name, node)?;
            if self.tables.contains_key(&table.name) {
                return Err(node.fault(format!(
                    "there is a table {:?} already at this place of the mapping",
                    table.name
                )));
            }
        }
        for draft in self.tables.values_mut().filter(|draft| threads.contains(&draft.thread)) {
            draft.thread = self.threads.len();
        }
        for table in tables {
            self.tables
                .insert(table.name.clone(), Draft { table, thread: self.threads.len(), adds_unique: false });
        }
        self.threads.push(joined);
        Ok(())
    }

    /// A table that begins here. Below, ledgers keep it.
    pub(crate) fn create(&mut self, table: Table) {
        self.begin(kept::name(self.version, &table.name), table);
    }

    /// A table that ends here. Above, ledgers keep it.
    pub(crate) fn drop_table(&mut self, name: &Name) -> Result<(), String> {
        let Some(mut draft) = self.tables.remove(name) else { return Ok(()) };
        if self.threads[draft.thread].tied.is_some() {
            return Err(format!("{name} is tied to other tables in this version; drop it in the next one"));
        }
        draft.table.name = kept::name(self.version, name);
        self.dropped.push(draft);
        Ok(())
    }

    /// The step, once everything has been checked that stands between the tables as they are and the newer version.
    pub(super) fn finish(self, older: &Schema, newer: &Schema) -> Result<Step, SetError> {
        let dropped = self.dropped.iter().map(|draft| draft.table.clone()).collect();
        let mut arrived: Vec<Vec<Name>> = vec![Vec::new(); self.threads.len()];
        for draft in self.tables.into_values().chain(self.dropped) {
            arrived[draft.thread].push(draft.table.name);
        }
        let (mut tables, mut groups) = (Vec::new(), Vec::new());
        for (thread, arrived) in self.threads.into_iter().zip(arrived) {
            match thread.tied {
                None => tables.extend(thread.single(arrived)),
                Some(ref node) => {
                    let node = node.clone();
                    groups.push(thread.group(&arrived, older, newer).map_err(|message| node.fault(message))?);
                }
            }
        }
        Ok(Step::new(tables, groups, dropped))
    }
}

impl Thread {
    fn single(self, arrived: Vec<Name>) -> Option<TableStep> {
        let operations = self.stages.into_iter().filter_map(|stage| match stage {
            Stage::Columns { operation, .. } => Some(operation),
            Stage::Structure(_) => None,
        });
        let operations = operations.collect();
        Some(TableStep {
            older: self.older.into_iter().next()?,
            newer: arrived.into_iter().next()?,
            operations,
        })
    }

    fn group(self, arrived: &[Name], older: &Schema, newer: &Schema) -> Result<GroupStep, String> {
        let (older, older_root) = ordered(&self.older, older)?;
        let (newer, newer_root) = ordered(arrived, newer)?;
        Ok(GroupStep { older, newer, older_root, newer_root, stages: self.stages })
    }
}

/// The tables of a group in one version, parents first, and their root.
fn ordered(names: &[Name], schema: &Schema) -> Result<(Vec<Name>, Name), String> {
    let tables = crate::ddl::tables_in_order(schema).into_iter();
    let tables: Vec<&Table> = tables.filter(|table| names.contains(&table.name)).collect();
    let root = root_of(&tables)?;
    Ok((tables.into_iter().map(|table| table.name.clone()).collect(), root))
}

/// Two operations of one step must not keep different things under one name.
fn check_cells(stages: &[Stage], table: &Name, node: &Node) -> Result<(), SetError> {
    let mut kept = BTreeSet::new();
    for stage in stages {
        let [up, down] = match stage {
            Stage::Structure(structure) => [Direction::Up, Direction::Down].map(|way| structure.kept(way)),
            Stage::Columns { operation, .. } => {
                let lineage = operation.lineage();
                [lineage.kept_up, lineage.kept_down]
            }
        };
        // Also what one keeps on the way up and another on the way down: on each way both look for their cell.
        let own: BTreeSet<Name> = up.into_iter().chain(down).collect();
        let twice = own.into_iter().find(|cell| !kept.insert(cell.clone()));
        if let Some((_, column)) = twice.as_deref().and_then(|cell| cell.split_once(':')) {
            return Err(node.fault(format!(
                "two operations of this version would keep what they drop of {table}.{column} under one name; \
                 put the second one into a version of its own"
            )));
        }
    }
    Ok(())
}
