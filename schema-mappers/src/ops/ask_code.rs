//! The ask code of an operation: what stands in a column until a user fills it in, and what the user is asked. Reads the
//! keys `ask` and `question`; what the code does to changes is the operation's own.

use journal_core::model::{Name, Type, Value};

use super::Arguments;
use crate::error::SetError;

/// Longest question: it is shown in a list, beside the row.
const QUESTION_CHARS_MAX: usize = 200;

/// A column that an operation fills with an ask code, as the newer side names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AskCode {
    /// The column.
    pub(crate) column: Name,
    /// The code.
    pub(crate) code: Value,
    /// What to ask the user, in the words of the set.
    pub(crate) question: Option<String>,
    /// The complement cell that tells a value of the older side which happens to be the code from the code itself.
    pub(crate) kept: Option<Name>,
}

/// The `question` of an operation that has the ask code `code`, if it has one.
pub(super) fn question(
    arguments: &mut Arguments<'_>,
    code: Option<&Value>,
) -> Result<Option<String>, SetError> {
    let Some(node) = arguments.fields.optional("question") else { return Ok(None) };
    let text = node.text("question")?;
    if code.is_none() {
        return Err(node.fault("a question goes with an ask code; give \"ask\", or take the question out"));
    }
    let said = text.chars().any(|character| !character.is_whitespace());
    if !said || text.chars().count() > QUESTION_CHARS_MAX || text.chars().any(char::is_control) {
        let message = format!("question must be one line of 1 to {QUESTION_CHARS_MAX} characters");
        return Err(node.fault(message));
    }
    Ok(Some(text.to_owned()))
}

/// The code of an operation, which must be a value of the column's type and not NULL.
pub(super) fn code(arguments: &mut Arguments<'_>, ty: Type) -> Result<Option<Value>, SetError> {
    Ok(arguments.value("ask", ty)?.filter(|code| !code.is_null()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Pair, fault};

    const OLDER: &str = "id = \"int\"\nnumber = { type = \"text\", null = true }";
    const NEWER: &str = "id = \"int\"\nnumber = \"text\"";
    const REQUIRE: &str = "op = \"require_column\"\ntable = \"t\"\ncolumn = \"number\"\nask = \"?\"";

    #[test]
    fn a_question_goes_with_its_code_to_the_queue() {
        let operation = format!("{REQUIRE}\nquestion = \"Which number?\"");
        let pair = Pair::new(OLDER, NEWER, &operation);
        assert_eq!(pair.questions(), [("2:t.number".to_owned(), Some("Which number?".to_owned()))]);
        let silent = Pair::new(OLDER, NEWER, REQUIRE);
        assert_eq!(silent.questions(), [("2:t.number".to_owned(), None)]);
        let add = "op = \"add_column\"\ntable = \"t\"\ncolumn = \"size\"\ntype = \"int\"\nask = -1\nquestion = \"How large?\"";
        let added = Pair::new(OLDER, &format!("{OLDER}\nsize = \"int\""), add);
        assert_eq!(added.questions(), [("2:t.size".to_owned(), Some("How large?".to_owned()))]);
    }

    #[test]
    fn a_question_without_a_code_or_without_words_is_refused() {
        let add = "op = \"add_column\"\ntable = \"t\"\ncolumn = \"size\"\ntype = \"int\"\ndefault = 0\nquestion = \"How large?\"";
        let error = fault(OLDER, &format!("{OLDER}\nsize = \"int\""), add);
        assert!(error.message.contains("a question goes with an ask code"), "{error}");
        let error = fault(OLDER, NEWER, &format!("{REQUIRE}\nquestion = \" \""));
        assert_eq!((error.file.as_str(), error.line), ("2/mapping.toml", 6), "{error}");
        let error = fault(OLDER, NEWER, &format!("{REQUIRE}\nquestion = \"{}\"", "x".repeat(201)));
        assert!(error.message.contains("1 to 200 characters"), "{error}");
    }
}
