//! A case: versions of a schema with the way between them, what applications write at each version, and what each version
//! is to see of it. Plain data, read from a file of cases or from a directory that holds a schema set.
//!
//! A case is written several times, at other sites and other moments, each time with another *mark*: `@` in what is
//! written stands for a number of five digits, and every row holds it in its key. So the writings do not meet, and what
//! became of each can be compared. `~` stands for what tells the tables of one case from those of another.
//!
//! What is written is told in lines, each a transaction of one entry, without the table where it is the version's first:
//!
//! ```text
//! insert {"id":@,"fax":"555"}
//! update t~ {"id":@} {"fax":"556"}
//! delete {"id":@}
//! ```

use std::path::Path;

use journal_core::codec::json;
use journal_core::model::{Change, Name, Row, Schema, SchemaVersion};
use schema_mappers::{SchemaSet, VersionSource};
use serde_json::{Value as Json, json};
use toml::{Table, Value};

/// What is written at a version, or seen at one of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    pub(crate) written_at: i64,
    pub(crate) lines: Vec<String>,
}

/// What a version sees of a writing.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    pub(crate) written_at: i64,
    pub(crate) seen_at: i64,
    /// Rows: the table, where it is not the version's first, and the row.
    pub(crate) rows: Vec<String>,
}

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The operation it is about.
    pub(crate) op: String,
    /// By version from 1: `schema.toml` and `mapping.toml`.
    pub(crate) versions: Vec<(String, String)>,
    pub(crate) writes: Vec<Lines>,
    pub(crate) expected: Vec<Expected>,
    /// What cannot be carried to the other end of the set: rejected where it would have to be, and put into quarantine
    /// where it arrives. Written as one transaction each, after everything else.
    pub(crate) refused: Vec<Lines>,
    /// Whether the mapping says that something is lost, so that the way back gives other rows than there were.
    pub(crate) lossy: bool,
    /// Whether each writing is known at both sites before the next: for what would else be a conflict, by the mapping's own
    /// rule.
    pub(crate) apart: bool,
    /// What stands for `~`.
    pub(crate) suffix: String,
}

impl Case {
    /// The cases of a file, one table `[[case]]` each, numbered from `first` on.
    pub(crate) fn file(text: &str, first: usize) -> Vec<Self> {
        let file: Table = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let cases = list(&file["case"]).iter().enumerate();
        let cases = cases.map(|(at, case)| Self::read(table(case), first + at));
        // Alone, so that a fault of the set is told of the case that has it.
        cases.inspect(|case| drop(set_of(std::slice::from_ref(case)))).collect()
    }

    fn read(case: &Table, at: usize) -> Self {
        let name = case["name"].as_str().expect("a name").to_owned();
        let op = case["op"].as_str().expect("an operation").to_owned();
        let known =
            ["name", "op", "key", "columns", "schema", "map", "write", "see", "refuse", "lossy", "apart"];
        for member in case.keys() {
            assert!(known.contains(&member.as_str()), "{name}: {member} means nothing");
        }
        let schemas: Vec<Table> = match (case.get("columns"), case.get("schema")) {
            (Some(columns), None) => {
                let columns = list(columns).iter().enumerate();
                columns.map(|(at, columns)| one_table(columns, case.get("key"), at)).collect()
            }
            (None, Some(schema)) => list(schema).iter().map(|schema| table(schema).clone()).collect(),
            _ => panic!("{name}: either columns or schema"),
        };
        let mut mappings = vec![String::new()];
        mappings.extend(list(&case["map"]).iter().map(|operations| mapping(operations, &op)));
        let schemas = schemas.into_iter().map(|tables| {
            toml::to_string(&Table::from_iter([("table".to_owned(), Value::Table(tables))])).expect("TOML")
        });
        let lines = |member: &str| -> Vec<Lines> {
            let by_version = case.get(member).map(|lines| table(lines).clone()).unwrap_or_default();
            let read = |(version, lines): (String, Value)| Lines {
                written_at: number(&version),
                lines: texts(&lines),
            };
            by_version.into_iter().map(read).collect()
        };
        let flag = |member: &str| case.get(member).and_then(Value::as_bool).unwrap_or(false);
        let seen = case.get("see").map(|seen| table(seen).clone()).unwrap_or_default();
        let expected = seen.into_iter().map(|(versions, rows)| {
            let (written, seen) = versions.split_once(" at ").expect("\"1 at 2\"");
            Expected { written_at: number(written), seen_at: number(seen), rows: texts(&rows) }
        });
        Self {
            name,
            op,
            versions: schemas.zip(mappings).collect(),
            writes: lines("write"),
            expected: expected.collect(),
            refused: lines("refuse"),
            lossy: flag("lossy"),
            apart: flag("apart"),
            suffix: format!("_{at}"),
        }
    }

    /// A schema set in a directory, with what is written at version 1 in `write.1.txt`, and so on; what version 2 is to
    /// see of that, if it is told, in `see.1.at.2.txt`.
    pub(crate) fn directory(path: &Path, name: &str, op: &str) -> Self {
        let text = |file: String| std::fs::read_to_string(path.join(file)).ok();
        let versions: Vec<(String, String)> = (1..)
            .map_while(|version| {
                let schema = text(format!("{version}/schema.toml"))?;
                Some((schema, text(format!("{version}/mapping.toml")).unwrap_or_default()))
            })
            .collect();
        let newest = i64::try_from(versions.len()).expect("few versions");
        let read = |kind: &str| -> Vec<Lines> {
            let read = |version| {
                Some(Lines { written_at: version, lines: lines_of(&text(format!("{kind}.{version}.txt"))?) })
            };
            (1..=newest).filter_map(read).collect()
        };
        let pairs = (1..=newest).flat_map(|written| (1..=newest).map(move |seen| (written, seen)));
        let expected = pairs.filter_map(|(written_at, seen_at)| {
            let rows = lines_of(&text(format!("see.{written_at}.at.{seen_at}.txt"))?);
            Some(Expected { written_at, seen_at, rows })
        });
        Self {
            name: name.to_owned(),
            op: op.to_owned(),
            writes: read("write"),
            expected: expected.collect(),
            refused: read("refuse"),
            lossy: false,
            apart: false,
            versions,
            suffix: String::new(),
        }
    }

    pub(crate) fn newest(&self) -> i64 {
        i64::try_from(self.versions.len()).expect("few versions")
    }

    /// The first table of a version's text.
    fn first_table(&self, version: i64) -> String {
        let (schema, _) = &self.versions[usize::try_from(version - 1).expect("a version")];
        let schema: Table = self.own(schema).parse().expect("TOML");
        table(&schema["table"]).keys().next().expect("a table").clone()
    }

    fn own(&self, text: &str) -> String {
        text.replace('~', &self.suffix)
    }

    /// The changes of a writing with a mark.
    pub(crate) fn changes(&self, lines: &Lines, mark: &str, schema: &Schema) -> Vec<Change> {
        let first = self.first_table(lines.written_at);
        let change = |line: &String| {
            let text = self.own(line).replace('@', mark);
            let (op, rest) = text.split_once(' ').unwrap_or_else(|| panic!("{}: {line}", self.name));
            let (table, rows) = table_and_rows(rest, &first);
            let mut rows = rows.into_iter();
            let mut entry = json!({ "op": op, "table": table });
            let members: &[&str] = match op {
                "insert" | "upsert" => &["row"],
                "update" => &["key", "set", "expect"],
                "add" => &["key", "delta"],
                "delete" => &["key", "expect"],
                _ => panic!("{}: no operation {op:?}", self.name),
            };
            for member in members {
                if let Some(row) = rows.next() {
                    entry[*member] = row;
                }
            }
            let change = json::read_entry(&entry, schema);
            change.unwrap_or_else(|error| panic!("{}: {line}: {error}", self.name))
        };
        lines.lines.iter().map(change).collect()
    }

    /// The rows that are to be seen, with their tables.
    pub(crate) fn rows(&self, expected: &Expected, mark: &str, schema: &Schema) -> Vec<(Name, Row)> {
        let first = self.first_table(expected.seen_at);
        let row = |line: &String| {
            let text = self.own(line).replace('@', mark);
            let (table, mut rows) = table_and_rows(&text, &first);
            // As an insert is read, an absent cell being NULL.
            let insert = json!({ "op": "insert", "table": table, "row": rows.remove(0) });
            let change = json::read_entry(&insert, schema);
            let change = change.unwrap_or_else(|error| panic!("{}: {line}: {error}", self.name));
            (change.entity, change.cells)
        };
        expected.rows.iter().map(row).collect()
    }
}

/// One schema set of the tables of several cases with equally many versions.
pub(crate) fn set_of(cases: &[Case]) -> SchemaSet {
    let newest = cases[0].versions.len();
    let versions = (0..newest).map(|at| {
        let text = |of: fn(&(String, String)) -> &String| -> String {
            cases.iter().map(|case| case.own(of(&case.versions[at])) + "\n").collect()
        };
        let (schema, mapping) = (text(|files| &files.0), text(|files| &files.1));
        let files = [("schema.toml", schema), ("mapping.toml", mapping)];
        let number = SchemaVersion(i64::try_from(at + 1).expect("few versions"));
        let files = files.iter().map(|(name, text)| (*name, text.as_str()));
        VersionSource::new(number, files.filter(|(_, text)| !text.trim().is_empty()))
    });
    SchemaSet::from_sources(versions.collect())
        .unwrap_or_else(|error| panic!("{}: {}: {error}", cases[0].op, cases[0].name))
}

/// The one table of a case that only gives its columns. The first is the key unless the case names others, for all
/// versions or for each.
fn one_table(columns: &Value, keys: Option<&Value>, at: usize) -> Table {
    let columns = table(columns).clone();
    let first = columns.keys().next().expect("a column").clone();
    let key = match keys.map(list) {
        None => Value::Array(vec![first.into()]),
        Some(keys) if keys[0].is_array() => keys[at].clone(),
        Some(key) => Value::Array(key.to_vec()),
    };
    let own = Table::from_iter([("key".to_owned(), key), ("columns".to_owned(), columns.into())]);
    Table::from_iter([("t~".to_owned(), own.into())])
}

/// The operations of a step. Each is the case's own, on the table `t~`, unless it says otherwise.
fn mapping(operations: &Value, op: &str) -> String {
    let operations = list(operations).iter().map(|operation| {
        let mut operation = table(operation).clone();
        operation.entry("op").or_insert_with(|| op.into());
        operation.entry("table").or_insert_with(|| "t~".into());
        Value::Table(operation)
    });
    let operations: Vec<Value> = operations.collect();
    toml::to_string(&Table::from_iter([("map".to_owned(), operations.into())])).expect("TOML")
}

/// A table's name, if there is one, and JSON objects one after the other.
fn table_and_rows(text: &str, first: &str) -> (String, Vec<Json>) {
    let start = text.find('{').expect("a row");
    let named = text[..start].trim();
    let table = if named.is_empty() { first } else { named };
    let rows = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Json>();
    (table.to_owned(), rows.map(|row| row.unwrap_or_else(|error| panic!("{text}: {error}"))).collect())
}

fn number(version: &str) -> i64 {
    version.parse().expect("a version")
}

fn table(value: &Value) -> &Table {
    value.as_table().expect("a table")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The lines of a text, without empty ones and those for people.
fn texts(value: &Value) -> Vec<String> {
    lines_of(value.as_str().expect("lines"))
}

fn lines_of(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}
