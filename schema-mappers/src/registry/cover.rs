//! Proves, before anything is mapped, that each mapper in Rust has its place and each operation of the set its mapper.

use crate::error::RegistryError;
use crate::mapper::RustMappers;
use crate::set::SchemaSet;
use crate::step::Direction;

/// Each mapper has its place, each operation its mapper.
pub(super) fn check(set: &SchemaSet, mappers: &RustMappers) -> Result<(), RegistryError> {
    let newest = set.newest().number();
    for (version, table) in mappers.tables.keys() {
        let known = set.version(*version).filter(|version| version.step().is_some());
        let known = known.ok_or(RegistryError::UnknownStep { version: *version, newest })?;
        if !known.schema().tables.contains_key(table) {
            return Err(RegistryError::UnknownTable { version: *version, table: table.clone() });
        }
        if known.step().is_some_and(|step| step.group(Direction::Down, table).is_some()) {
            return Err(RegistryError::Tied { version: *version, table: table.clone() });
        }
    }
    for (version, operation) in mappers.calls.keys() {
        let known =
            set.version(*version).is_some_and(|known| known.schema().operations.contains_key(operation));
        if !known {
            return Err(RegistryError::UnknownOperation { version: *version, operation: operation.clone() });
        }
    }
    for version in set.versions() {
        for operation in version.schema().operations.keys() {
            if !mappers.calls.contains_key(&(version.number(), operation.clone())) {
                let (version, operation) = (version.number(), operation.clone());
                return Err(RegistryError::UncoveredOperation { version, operation });
            }
        }
    }
    Ok(())
}
