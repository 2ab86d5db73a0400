//! Composes the steps of a set: from any version to any other, up and down, through declared operations and mappers in
//! Rust. Holds no state but the set; every answer is a function of its arguments.

use std::collections::BTreeMap;
use std::sync::Arc;

use journal_core::model::schema::ChangeError;
use journal_core::model::{Change, Name, Op, Row, Schema, SchemaVersion};

use crate::error::{CannotMap, MapError, RegistryError};
use crate::family::Families;
use crate::image::Image;
use crate::lineage::{self, Dependents};
use crate::loss::Loss;
use crate::mapped::Mapped;
use crate::mapper::{Place, RustMappers};
use crate::plan::{Meeting, Plan};
use crate::set::{SchemaSet, Version};
use crate::step::{Direction, TableStep};

pub use roots::Root;

/// All ways between the versions of a set. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    set: SchemaSet,
    mappers: RustMappers,
    /// By version (from 0) and table; only tables that have any.
    stale: Vec<BTreeMap<Name, Dependents>>,
    families: Families,
}

impl Registry {
    /// Builds the registry and proves that everything is covered: each mapper has its place, each operation its
    /// mapper. The steps between the tables were proven when the set was loaded.
    ///
    /// # Errors
    /// The first thing that lacks a mapper, or mapper that lacks its thing.
    pub fn new(set: SchemaSet, mappers: RustMappers) -> Result<Self, RegistryError> {
        cover::check(&set, &mappers)?;
        let versions = set.versions();
        let stale = (0..versions.len()).map(|at| {
            let tables = versions[at].ledger().tables.keys();
            let found = tables.map(|table| (table.clone(), lineage::dependents(versions, at, table)));
            found.filter(|(_, found)| !found.is_empty()).collect()
        });
        let stale = stale.collect();
        let families = Families::of(versions);
        Ok(Self { inner: Arc::new(Inner { set, mappers, stale, families }) })
    }

    /// The set.
    pub fn set(&self) -> &SchemaSet {
        &self.inner.set
    }

    /// The schema of a version.
    ///
    /// # Errors
    /// [`MapError::UnknownVersion`].
    pub fn schema(&self, version: SchemaVersion) -> Result<&Schema, MapError> {
        self.version(version).map(Version::schema)
    }

    /// Whether changes of the one version can be mapped to the other: whether the set has both.
    pub fn covers(&self, from: SchemaVersion, to: SchemaVersion) -> bool {
        [from, to].into_iter().all(|version| self.inner.set.version(version).is_some())
    }

    /// What a ledger at a version holds: the tables of the version, and those that only other versions have and that no
    /// view shows. Rows are stored, read and posted by these names.
    ///
    /// # Errors
    /// [`MapError::UnknownVersion`].
    pub fn ledger(&self, version: SchemaVersion) -> Result<&Schema, MapError> {
        self.version(version).map(Version::ledger)
    }

    /// What the step that leads to a version gives up for good, by its own word, in the order of the mapping's tables. None
    /// for version 1 or a version that the set does not have.
    pub fn losses(&self, version: SchemaVersion) -> Vec<&Loss> {
        self.inner.set.losses(version)
    }

    /// A change of version `from` as changes at version `to`, with what each does to the complement of its row; or what
    /// must be read first. A call is expanded first. Between equal versions the change comes back as it is, unless what
    /// other versions keep in the row depends on it.
    ///
    /// The change must have passed [`Schema::check`] of its version. Old values it expects are mapped as the other
    /// version sees them; a peer, which judges nothing, takes `expect` out before.
    ///
    /// # Errors
    /// See [`MapError`]; nothing is ever rounded or dropped instead.
    pub fn map(&self, from: SchemaVersion, to: SchemaVersion, change: Change) -> Result<Plan, MapError> {
        let source = self.version(from)?;
        self.version(to)?;
        if change.op == Op::Call {
            return self.map_call(from, to, &change);
        }
        if !source.schema().tables.contains_key(&change.entity) {
            return Err(MapError::UnknownTable { version: from, table: change.entity });
        }
        if self.inner.unsettles(from, to, &change) || self.inner.expects_what_is_kept(from, to, &change) {
            return self.meets(from, to, change);
        }
        let stale = self.inner.stale(from, to, &change);
        // Kept for the case that rows are needed. A whole row needs none between tables that are tied to no other.
        let whole = (from != to && (change.op != Op::Insert || self.is_tied(from, &change.entity)))
            .then(|| change.clone());
        match (self.inner.carry(from, to, Image::new(change), &mut Row::new()), whole) {
            (Ok(mut images), _) => {
                for image in images.first.iter_mut().chain(&mut images.rest) {
                    image.forget(&stale);
                }
                Ok(Plan::Images(images))
            }
            // An upsert may fail only for the row that it would insert, which is not inserted where one stands.
            (Err(MapError::CannotMap { reason, .. }), Some(change))
                if reason.needs_row || change.op == Op::Upsert =>
            {
                self.meets(from, to, change)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn meets(&self, from: SchemaVersion, to: SchemaVersion, change: Change) -> Result<Plan, MapError> {
        let selectors = self.selectors(from, to, &change)?;
        Ok(Plan::Meets(Meeting { change, selectors }))
    }

    fn map_call(&self, from: SchemaVersion, to: SchemaVersion, call: &Change) -> Result<Plan, MapError> {
        let changes = self.expand(from, to, call)?.into_iter();
        changes.map(|change| self.map(from, to, change)).collect::<Result<Vec<_>, _>>().map(Plan::of)
    }

    /// The changes of tables that a call of version `from` stands for, in its names, in order. `to` is only told in errors.
    ///
    /// # Errors
    /// See [`MapError`].
    pub fn expand(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        call: &Change,
    ) -> Result<Vec<Change>, MapError> {
        let known = self.inner.mappers.calls.get(&(from, call.entity.clone()));
        let mapper = known
            .ok_or_else(|| MapError::UnknownOperation { version: from, operation: call.entity.clone() })?;
        let cannot = |reason| MapError::CannotMap { from, to, reason };
        let schema = self.schema(from)?;
        let changes = mapper.expand(&call.cells).map_err(cannot)?;
        for change in &changes {
            let checked = match change.op {
                Op::Call => Err("a call mapper gives changes of tables, not calls".to_owned()),
                _ => schema.check(change).map_err(|fault| fault.to_string()),
            };
            checked.map_err(|fault| {
                cannot(CannotMap::change(
                    &call.entity,
                    format!("its mapper gave a change that does not fit: {fault}"),
                ))
            })?;
        }
        Ok(changes)
    }

    fn version(&self, version: SchemaVersion) -> Result<&Version, MapError> {
        let newest = self.inner.set.newest().number();
        self.inner.set.version(version).ok_or(MapError::UnknownVersion { version, newest })
    }
}

impl Inner {
    /// Through all steps between two versions that the set has.
    fn carry(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
        image: Image,
        given: &mut Row,
    ) -> Result<Mapped, MapError> {
        let cannot = |reason| MapError::CannotMap { from, to, reason };
        let mut images = Mapped::one(image);
        for (newer, direction) in self.way(from, to) {
            images = match (images.first, images.rest.is_empty()) {
                (None, _) => return Ok(Mapped { first: None, rest: Vec::new() }),
                (Some(image), true) => self.carry_step(newer, direction, image, given).map_err(cannot)?,
                (Some(image), false) => {
                    let mut all = Vec::new();
                    for image in std::iter::once(image).chain(images.rest) {
                        all.extend(self.carry_step(newer, direction, image, given).map_err(cannot)?);
                    }
                    all.into_iter().collect()
                }
            };
        }
        Ok(images)
    }

    /// The steps from one version to another: the newer version of each, and the direction.
    fn way(
        &self,
        from: SchemaVersion,
        to: SchemaVersion,
    ) -> impl Iterator<Item = (SchemaVersion, Direction)> {
        let up = (from.0 + 1..=to.0).map(|newer| (SchemaVersion(newer), Direction::Up));
        let down = (to.0 + 1..=from.0).rev().map(|newer| (SchemaVersion(newer), Direction::Down));
        up.chain(down)
    }

    /// Through the step that leads to (or from) version `newer`.
    fn carry_step(
        &self,
        newer: SchemaVersion,
        direction: Direction,
        image: Image,
        given: &mut Row,
    ) -> Result<Mapped, CannotMap> {
        let entity = &image.change.entity;
        let step = self.set.version(newer).and_then(Version::step);
        let Some(table) = step.and_then(|step| step.leaving(direction, entity)) else {
            let group = step.and_then(|step| step.group(direction, entity));
            let group =
                group.ok_or_else(|| CannotMap::change(entity, "there is no such table on the way"))?;
            return group.carry_insert(direction, image).map(|images| images.into_iter().collect());
        };
        let step = table;
        // Most sets have none, and then no key is built for the look-up.
        let mapper = match self.mappers.tables.is_empty() {
            true => None,
            false => self.mappers.tables.get(&(newer, step.newer.clone())),
        };
        let Some((place, mapper)) = mapper else {
            return step.carry(direction, image, given).map(Mapped::one);
        };
        match (place, direction) {
            (Place::Instead, Direction::Up) => self.checked(newer, mapper.up(image, given)?),
            (Place::Instead, Direction::Down) => {
                self.checked(SchemaVersion(newer.0 - 1), mapper.down(image, given)?)
            }
            (Place::After, Direction::Up) => {
                let image = step.carry(direction, image, given)?;
                self.checked(newer, mapper.up(image, given)?)
            }
            (Place::After, Direction::Down) => {
                self.down_after(newer, step, mapper.down(image, given)?, given)
            }
        }
    }

    /// A mapper that follows the declared operations gives, on the way down, images at the newer version still.
    fn down_after(
        &self,
        newer: SchemaVersion,
        step: &TableStep,
        images: Vec<Image>,
        given: &mut Row,
    ) -> Result<Mapped, CannotMap> {
        let steps = self.set.version(newer).and_then(Version::step);
        let images = self.checked(newer, images)?.into_iter().map(|image| {
            let step = steps.and_then(|steps| steps.by_newer(&image.change.entity)).unwrap_or(step);
            step.carry(Direction::Down, image, given)
        });
        images.collect::<Result<Vec<_>, _>>().map(|images| images.into_iter().collect())
    }

    /// What a mapper in Rust gave must fit the version it mapped to.
    fn checked(&self, version: SchemaVersion, images: Vec<Image>) -> Result<Mapped, CannotMap> {
        let Some(version) = self.set.version(version) else { return Ok(images.into_iter().collect()) };
        for image in &images {
            let upserted =
                image.if_new.as_ref().map(|new| Change::upsert(image.change.entity.clone(), new.row.clone()));
            match version.schema().check(upserted.as_ref().unwrap_or(&image.change)) {
                // An update may have nothing left but what it does to the complement.
                Ok(()) | Err(ChangeError::Empty { op: Op::Update, .. }) => {}
                Err(fault) => {
                    let reason = format!("its mapper gave a change that does not fit: {fault}");
                    return Err(CannotMap::change(&image.change.entity, reason));
                }
            }
        }
        Ok(images.into_iter().collect())
    }
}

mod cover;
mod expect;
mod feeds;
mod outline;
mod roots;
mod rows;
mod stale;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tied_tests;
