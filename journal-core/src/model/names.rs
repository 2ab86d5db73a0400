//! Names: few, and repeated in every entry and row. Those of loaded schemas share one text where they are alike, so that they
//! are mostly found equal without a look at it.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use foldhash::fast::RandomState;

use super::row::Name;

/// Those of all schemas that were loaded. What is read from journals never makes it grow.
static OF_SCHEMAS: LazyLock<Mutex<HashSet<Name, RandomState>>> = LazyLock::new(Mutex::default);

/// Gives a name of a schema the text that all names share which are alike.
pub(super) fn share(name: &mut Name) {
    let mut known = OF_SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    match known.get(name) {
        Some(known) => *name = known.clone(),
        None => {
            known.insert(name.clone());
        }
    }
}

/// The name of a text: a schema's, if one has it.
pub(super) fn shared(text: &str) -> Name {
    let known = OF_SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    known.get(text).cloned().unwrap_or_else(|| Name::from(text))
}

/// Where the name of that text is, if it is there.
pub(super) fn find<'n>(mut names: impl Iterator<Item = &'n Name> + Clone, text: &str) -> Option<usize> {
    let shared = names.clone().position(|name| std::ptr::eq(name.as_ref(), text));
    // Names mostly differ in length, which is quicker to see than which comes first.
    shared.or_else(|| names.position(|name| name.as_ref() == text))
}

/// Names that were met, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Name, RandomState>);

impl Names {
    /// The name of that text.
    pub(crate) fn of(&mut self, text: &str) -> Name {
        if let Some(name) = self.0.get(text) {
            return name.clone();
        }
        let name = shared(text);
        self.0.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_schemas_and_names_that_are_read_are_one() {
        let mut of_schemas = ["shared_by_a_schema"; 2].map(Name::from);
        of_schemas.iter_mut().for_each(share);
        let read = Names::default().of("shared_by_a_schema");
        assert!(of_schemas.iter().all(|name| std::ptr::eq(&**name, &*read)));
        assert!(!std::ptr::eq(&*shared("of_no_schema"), &*shared("of_no_schema")));
    }

    #[test]
    fn a_name_is_found_whether_it_shares_its_text_or_not() {
        let names = ["aid", "bid", "filler"].map(Name::from);
        assert_eq!(find(names.iter(), &names[1]), Some(1));
        assert_eq!(find(names.iter(), &Name::from("bid")), Some(1));
        assert_eq!(find(names.iter(), "tid"), None);
    }
}
