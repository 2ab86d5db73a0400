//! The page of what was measured.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::kinds::Kind;
use super::passage::{Case, Fate, Passage, Place};
use super::store::Store;

/// Lines are broken where they would be longer.
const WIDTH_MAX: usize = 118;

const HEAD: &str = "\
# Types

What a column of each type holds, and what each store makes of the values at its edges. A value comes back as it was
written, at every site, or it is refused with a code. None is rounded, cut or bent.

A test (`tests/it/type_matrix.rs`) writes this page and keeps it true. It sends every value from every store to every
store: appended with the client library, posted at the origin, shipped, posted at the peer, by insert and by update, and
read back at both. The servers there stand in other time zones. MariaDB's defaults are latin1, without regard to case,
and not strict.

| word | for a site on that store |
| --- | --- |
| kept | It holds the value, whether written there or come from elsewhere. |
| refused | It has no exact place for it. Written there, the transaction is rejected, with this code. |
| | Come from a store that keeps it, the transaction waits in quarantine, with the same code. |
| not appended | No site is asked: the client library refuses the transaction, and `daybook append` the line |
| | ([D0501](errors/D0501.md)). |
";

const WAITING: &str = "
## What waits in quarantine

An origin takes what its own store keeps. So a value can be right where it is written and wait at a peer on another
store, with all that depends on it, until somebody decides ([operating.md](operating.md)). Between such stores, do not
write these:
";

/// A list of kinds with what was measured of them.
pub(super) struct Measured<'m> {
    pub(super) kinds: &'m [Kind],
    pub(super) passages: &'m [Passage],
}

impl Measured<'_> {
    /// What a store makes of a value: told in one word where its sites, as origin and as peers, agree.
    fn cell(&self, case: Case, store: Store) -> String {
        let Some(own) = self.passages.iter().find(|passage| passage.origin == store) else {
            return "no such column".to_owned();
        };
        let there = &own.there[&case];
        let came: BTreeSet<&Fate> =
            self.passages.iter().map(|passage| &passage.peers[&store][&case]).filter(came).collect();
        match (there, came.iter().all(|fate| *fate == there)) {
            (Fate::Kept, true) => "kept".to_owned(),
            (Fate::NotAppended, true) => "not appended".to_owned(),
            (Fate::Refused(code), true) => format!("refused, [{code}](errors/{code}.md)"),
            (there, _) => format!("origin {there:?}, peer {came:?}"),
        }
    }

    fn cells(&self, case: Case) -> [String; 3] {
        Store::ALL.map(|store| self.cell(case, store))
    }

    /// Its values as a table.
    fn table(&self, at: usize) -> String {
        let kind = &self.kinds[at];
        let mut text = row("value", &Store::ALL.map(Store::name)) + "| --- | --- | --- | --- |\n";
        let value = self.columns(&kind.value_table());
        text += &row("*column*", &value);
        let key = kind.key_table().map(|key| self.columns(&key)).filter(|key| *key != value);
        if let Some(key) = key {
            text += &row("*column, in a key*", &key);
        }
        for (edge, shown) in kind.edges.iter().map(|edge| &edge.shown).enumerate() {
            let cells = self.cells((at, edge, Place::Value));
            text += &row(shown, &cells);
            let in_key = (at, edge, Place::Key);
            let is_key = self.passages.iter().any(|passage| passage.there.contains_key(&in_key));
            if is_key && self.cells(in_key) != cells {
                text += &row(&format!("{shown}, in a key"), &self.cells(in_key));
            }
        }
        text
    }

    /// What each store calls the column of the values.
    fn columns(&self, table: &str) -> [String; 3] {
        Store::ALL.map(|store| {
            let own = self.passages.iter().find(|passage| passage.origin == store);
            own.map_or_else(|| "none".to_owned(), |own| format!("`{}`", own.columns[table]))
        })
    }

    /// What is right at an origin of one store and waits at a peer of another.
    fn waits(&self, from: &Passage, at: Store) -> Vec<String> {
        let mut by_kind: BTreeMap<(usize, Place), Vec<&str>> = BTreeMap::new();
        for (case, fate) in &from.peers[&at] {
            if matches!(fate, Fate::Refused(_)) && from.there[case] == Fate::Kept {
                let shown = &self.kinds[case.0].edges[case.1].shown;
                by_kind.entry((case.0, case.2)).or_default().push(shown);
            }
        }
        let told = |((kind, place), shown): ((usize, Place), Vec<&str>)| {
            let key = if place == Place::Key { " in a key" } else { "" };
            format!("`{}`{key}: {}", self.kinds[kind].ty, shown.join("; "))
        };
        by_kind.into_iter().map(told).collect()
    }
}

fn came(fate: &&Fate) -> bool {
    !matches!(fate, Fate::NeverCame)
}

/// The page. `lines` is its last section.
pub(super) fn page(lists: &[Measured<'_>], lines: &str) -> String {
    let mut text = format!("{HEAD}{WAITING}");
    for origin in Store::ALL {
        for peer in Store::ALL {
            let from = |list: &Measured<'_>| {
                let passage = list.passages.iter().find(|passage| passage.origin == origin);
                passage
                    .filter(|passage| passage.peers.contains_key(&peer))
                    .map(|passage| list.waits(passage, peer))
            };
            let waits: Vec<String> = lists.iter().filter_map(from).flatten().collect();
            if !waits.is_empty() {
                let _ = write!(text, "\n**Written on {}, posted on {}**\n\n", origin.name(), peer.name());
            }
            for wait in waits {
                text += &broken(&format!("* {wait}"), "  ");
            }
        }
    }
    for list in lists {
        for (at, kind) in list.kinds.iter().enumerate() {
            let _ = write!(text, "\n## {}\n\n{}\n{}", kind.ty, broken(kind.says, ""), list.table(at));
        }
    }
    text + lines
}

/// A row of a table.
pub(super) fn row<S: AsRef<str>>(first: &str, cells: &[S]) -> String {
    let cells = cells.iter().map(|cell| cell.as_ref());
    let cells: Vec<&str> = std::iter::once(first).chain(cells).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A paragraph in lines that fit; all but the first are indented.
pub(super) fn broken(text: &str, indent: &str) -> String {
    let (mut lines, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        if line.chars().count() + word.chars().count() >= WIDTH_MAX {
            lines += line.trim_end();
            lines.push('\n');
            line = indent.to_owned();
        }
        line += word;
        line.push(' ');
    }
    lines + line.trim_end() + "\n"
}
