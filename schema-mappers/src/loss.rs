//! What a mapping gives up for good, by its own word: `lossy = "reason"` on an operation.

use journal_core::model::{Name, SchemaVersion};

use crate::error::SetError;
use crate::ops::Arguments;

/// Longest reason: it is shown in a list.
const REASON_CHARS_MAX: usize = 200;

/// A declared loss: what the way up to a version drops of a column and does not keep. The way back gives some value
/// there, and not the one that was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The newer version of the step that loses.
    pub version: SchemaVersion,
    /// The table, by its name at that place of the mapping.
    pub table: Name,
    /// The older columns at stake.
    pub columns: Vec<Name>,
    /// The operation.
    pub operation: String,
    /// Why that is right, in the words of the set.
    pub reason: String,
    /// Where it is declared, as `2/mapping.toml`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// The `lossy` of an operation, if it has one.
pub(crate) fn read(
    arguments: &mut Arguments<'_>,
    operation: &str,
    columns: &[Name],
) -> Result<Option<Loss>, SetError> {
    let Some(node) = arguments.fields.optional("lossy") else { return Ok(None) };
    let reason = node.text("lossy")?;
    let said = reason.chars().any(|char| !char.is_whitespace());
    if !said || reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        let message =
            format!("lossy must give the reason, in one line of 1 to {REASON_CHARS_MAX} characters");
        return Err(node.fault(message));
    }
    Ok(Some(Loss {
        version: arguments.version,
        table: arguments.table.name.clone(),
        columns: columns.to_vec(),
        operation: operation.to_owned(),
        reason: reason.to_owned(),
        file: node.file.to_string(),
        line: node.line,
    }))
}
