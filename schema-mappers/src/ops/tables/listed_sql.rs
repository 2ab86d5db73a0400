//! [`Listed`] in SQL, for views. A list in the spelling in which it was written is shown so as long as it has just the parts
//! that stand there, and rows that a list does not spell as long as they are what it says.

use journal_core::sql::BYTEWISE;

use super::listed::Listed;
use crate::ddl::kept::CELLS;
use crate::ddl::quote::{ident, same, text};
use crate::ddl::relations::{Relation, Relations};
use crate::ddl::views::ViewColumns;
use crate::ddl::{Dialect, mariadb};

/// The list of the rows.
pub(super) fn gather(listed: &Listed, relations: &mut Relations) {
    let dialect = relations.dialect;
    let (mut root, member) = (relations.take(&listed.root).plain("r"), relations.take(&listed.member));
    let on: Vec<String> =
        listed.key.iter().map(|(root, member)| format!("m.{} = r.{}", ident(member), ident(root))).collect();
    let rows = format!("{} WHERE {}", member.aliased("m", false), on.join(" AND "));
    let value = format!("m.{}", ident(&listed.value));
    let order = match (&listed.position, dialect) {
        (Some(position), _) => format!("m.{}", ident(position)),
        (None, Dialect::Sqlite | Dialect::MariaDb) => value.clone(),
        (None, Dialect::Postgres) => format!("{value} COLLATE \"C\""),
    };
    let separator = text(&listed.separator);
    let joined = match dialect {
        Dialect::Sqlite => {
            format!(
                "(SELECT group_concat(p.v, {separator}) FROM (SELECT {value} AS v FROM {rows} ORDER BY {order}) AS p)"
            )
        }
        Dialect::Postgres => {
            format!("(SELECT string_agg({value}, {separator} ORDER BY {order}) FROM {rows})")
        }
        Dialect::MariaDb => mariadb_list(listed, &value, &order, &rows),
    };
    let joined = match dialect {
        _ if listed.nullable => joined,
        Dialect::Sqlite | Dialect::Postgres => format!("coalesce({joined}, '')"),
        Dialect::MariaDb => joined,
    };
    let kept = root.columns.kept(&listed.whole, listed.list_type);
    let spelt = match listed.position.is_some() {
        // Positions tell every list but the empty one.
        true => format!("NOT EXISTS (SELECT 1 FROM {rows})"),
        false => {
            let parts = format!("{} WHERE {} <> ''", parts(listed, &kept.value, dialect), kept.value);
            let (parts, rows) = ((part(dialect), parts.as_str()), (value.as_str(), rows.as_str()));
            format!("{} AND {}", all_in(parts, rows, dialect), all_in(rows, parts, dialect))
        }
    };
    let shown = format!("CASE WHEN {} AND {spelt} THEN {} ELSE {joined} END", kept.there, kept.value);
    root.columns.set(&listed.list, shown);
    relations.put(&listed.root, root);
}

/// The rows of the list: those that are kept, as long as they are what the list says, else its parts.
pub(super) fn spread(listed: &Listed, relations: &mut Relations) {
    let dialect = relations.dialect;
    let whole = relations.take(&listed.root).plain("w");
    let mut root = whole.clone();
    let list = format!("w.{}", root.columns.take(&listed.list));
    let kept = KeptRows::of(listed, dialect);
    let separator = text(&listed.separator);
    let values = format!("SELECT {} AS value, {} AS place FROM {}", kept.value, kept.place, kept.source);
    let joined = match dialect {
        Dialect::Sqlite => {
            format!("SELECT group_concat(k.value, {separator}) FROM ({values} ORDER BY 2) AS k")
        }
        Dialect::Postgres => {
            format!("SELECT string_agg(k.value, {separator} ORDER BY k.place) FROM ({values}) AS k")
        }
        Dialect::MariaDb => format!(
            "SELECT group_concat({} ORDER BY {} SEPARATOR {separator}) FROM {}",
            kept.value, kept.place, kept.source
        ),
    };
    let valid = format!("coalesce(({joined}) = {list}, false)");
    let key = listed.key.iter().map(|(from, to)| format!("w.{} AS {}", ident(from), ident(to)));
    let key = key.collect::<Vec<_>>().join(", ");
    let selected = |value: &str, nr: &str| {
        let position = listed.position.iter().map(|name| format!(", {nr} AS {}", ident(name)));
        format!("{key}, {value} AS {}{}", ident(&listed.value), position.collect::<String>())
    };
    let (distinct, nr) = match (&listed.position, dialect) {
        (None, _) => ("DISTINCT ", ""),
        (Some(_), Dialect::Sqlite) => ("", "e.key + 1"),
        (Some(_), Dialect::Postgres | Dialect::MariaDb) => ("", "e.nr"),
    };
    let rows = format!(
        "(SELECT {} FROM {source} CROSS JOIN {} AND {valid} \
         UNION ALL SELECT {distinct}{} FROM {source} CROSS JOIN {} WHERE {list} <> '' AND NOT {valid}) AS p",
        selected(&kept.value, &kept.nr),
        kept.source,
        selected(part(dialect), nr),
        parts(listed, &list, dialect),
        source = whole.source,
    );
    let mut columns = ViewColumns::none(dialect);
    let names = listed.key.iter().map(|(_, name)| name).chain(&listed.position).chain([&listed.value]);
    names.for_each(|name| columns.set(name, ident(name)));
    let mut selected: Vec<String> = columns.iter().map(|(name, _)| ident(name)).collect();
    // What is kept of such a row in turn is not told here.
    selected.push(format!("CASE WHEN 1 = 0 THEN NULL END AS {CELLS}"));
    let source = format!("(SELECT {} FROM {rows}) AS m", selected.join(", "));
    relations.put(&listed.root, root);
    relations.put(&listed.member, Relation { source, columns });
}

/// The rows kept with a root: the cells of their values as a source with its condition, and expressions over it.
struct KeptRows {
    source: String,
    place: String,
    value: String,
    nr: String,
}

impl KeptRows {
    fn of(listed: &Listed, dialect: Dialect) -> Self {
        let (mark, length) = (text(&listed.mark), listed.mark.len());
        let cells = format!("w.{CELLS}");
        // The place of a row stands between the mark and a slash; a row's own cells stand behind two of them.
        let place = format!("substr(c.key, {}, length(c.key) - {})", length + 1, length + "/value".len());
        let own = format!("substr(c.key, {}) NOT LIKE '%//%'", length + 1);
        let named = format!("substr(c.key, 1, {length}) = {mark} AND c.key LIKE '%/value' AND {own}");
        match dialect {
            Dialect::Sqlite => Self {
                source: format!("json_each({cells}) AS c WHERE {named}"),
                value: "json_extract(c.value, '$.text')".to_owned(),
                nr: format!("json_extract({cells}, '$.\"' || {mark} || {place} || '/nr\".int')"),
                place: format!("CAST({place} AS INTEGER)"),
            },
            Dialect::Postgres => Self {
                source: format!("jsonb_each({cells}) AS c WHERE {named}"),
                value: "(c.value ->> 'text')".to_owned(),
                nr: format!("CAST({cells} -> ({mark} || {place} || '/nr') ->> 'int' AS bigint)"),
                place: format!("CAST({place} AS bigint)"),
            },
            Dialect::MariaDb => Self {
                source: format!(
                    "{} AS c WHERE {named}",
                    mariadb_texts(&format!("json_keys({cells})"), "key")
                ),
                value: mariadb::json_at(&cells, "'$.\"' || c.key || '\".\"text\"'"),
                nr: format!(
                    "CAST({} AS SIGNED)",
                    mariadb::json_at(&cells, &format!("'$.\"' || {mark} || {place} || '/nr\".\"int\"'"))
                ),
                place: format!("CAST({place} AS SIGNED)"),
            },
        }
    }
}

/// The parts of a list as a source under the alias `e`; an empty list has one of them, and NULL none.
fn parts(listed: &Listed, list: &str, dialect: Dialect) -> String {
    let separator = text(&listed.separator);
    match dialect {
        // As a JSON array: the text between the separators is written in JSON already.
        Dialect::Sqlite => {
            format!("json_each('[' || replace(json_quote({list}), {separator}, '\",\"') || ']') AS e")
        }
        Dialect::Postgres => {
            format!("unnest(string_to_array({list}, {separator})) WITH ORDINALITY AS e (part, nr)")
        }
        Dialect::MariaDb => {
            let quoted = mariadb::collated(&format!("json_quote({list})"));
            let parts = format!("'[' || replace({quoted}, {separator}, '\",\"') || ']'");
            format!("{} AS e", mariadb_texts(&parts, "part"))
        }
    }
}

fn part(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "e.value",
        Dialect::Postgres | Dialect::MariaDb => "e.part",
    }
}

/// Whether each value of a source is one of the other's as well. MariaDB takes long texts out of one another in a table on
/// disk, and calls that corrupted for some of them ("error 127"): there each is looked for.
fn all_in((value, source): (&str, &str), (other, others): (&str, &str), dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite | Dialect::Postgres => {
            format!("NOT EXISTS (SELECT {value} AS v FROM {source} EXCEPT SELECT {other} AS v FROM {others})")
        }
        Dialect::MariaDb => {
            let same = same(other, value, dialect);
            format!("NOT EXISTS (SELECT 1 FROM {source} AND NOT EXISTS (SELECT 1 FROM {others} AND {same}))")
        }
    }
}

/// The members of a JSON array of texts, numbered.
fn mariadb_texts(array: &str, name: &str) -> String {
    format!(
        "json_table({array}, '$[*]' COLUMNS (nr FOR ORDINALITY, {} LONGTEXT CHARACTER SET utf8mb4 \
         COLLATE {BYTEWISE} PATH '$'))",
        ident(name)
    )
}

/// The values of rows as a list. The server cuts a list off that is longer than a setting of the reader's session allows:
/// it has no value then.
fn mariadb_list(listed: &Listed, value: &str, order: &str, rows: &str) -> String {
    let (separator, bytes) = (text(&listed.separator), listed.separator.len());
    let list = format!("group_concat({value} ORDER BY {order} SEPARATOR {separator})");
    let whole = format!("sum(octet_length({value})) + (count({value}) - 1) * {bytes}");
    let none = if listed.nullable { "" } else { "WHEN count(*) = 0 THEN '' " };
    format!("(SELECT CASE {none}WHEN octet_length({list}) = {whole} THEN {list} END FROM {rows})")
}
