//! The expression language on real databases: what Rust computes, SQLite, PostgreSQL and MariaDB compute as well, for
//! expressions and rows without end.

use journal_core::model::{Column, Name, Row, Type, Value};
use journal_core::sql::{Access, Conn, DbUrl, Dialect};
use journal_tests::servers;
use journal_tests::tether;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schema_mappers::Expression;

/// Expressions tried, each on all rows.
const EXPRESSIONS: usize = 2000;
const ROWS: i64 = 40;

const COLUMNS: [(&str, &str); 11] = [
    ("a_int", "int"),
    ("b_int", "int"),
    ("a_money", "decimal(9,2)"),
    ("b_wide", "decimal(18,6)"),
    ("a_text", "text"),
    ("b_short", "text(5)"),
    ("a_bool", "bool"),
    ("b_bool", "bool"),
    ("a_day", "date"),
    ("a_time", "timestamp"),
    ("a_uuid", "uuid"),
];

fn columns() -> Vec<Column> {
    let column =
        |(name, ty): (&str, &str)| Column { name: name.into(), ty: ty.parse().unwrap(), nullable: true };
    COLUMNS.into_iter().map(column).collect()
}

fn value(rng: &mut ChaCha8Rng, ty: Type) -> Value {
    const TEXTS: [&str; 16] = [
        "", " ", "A b", " ab ", "Äö,ß", "7", "-7.50", "007", "+1", "a,b,c", "x-y", "abcde", "%", "'", "Z",
        "1e3",
    ];
    const INTS: [i64; 9] = [0, 1, -1, 7, 100, -12345, 4_000_000_000, i64::MAX, i64::MIN];
    const DECIMALS: [&str; 8] = [
        "0",
        "-0.01",
        "1",
        "7.50",
        "-1234567.89",
        "9999999.99",
        "123456789012.345678",
        "-999999999999.999999",
    ];
    loop {
        let value = match ty {
            Type::Int => INTS.choose(rng).copied().unwrap().into(),
            Type::Decimal { .. } => Value::Decimal(DECIMALS.choose(rng).unwrap().parse().unwrap()),
            Type::Bool => rng.random_bool(0.5).into(),
            Type::Date => Value::Date([0, -719_162, 20_000][rng.random_range(0..3)]),
            Type::Timestamp => Value::Timestamp([0, -1, 1_117_000_000_123_456][rng.random_range(0..3)]),
            Type::Uuid => Value::Uuid(uuid::Uuid::from_u128(rng.random_range(0..3) << 120)),
            _ => (*TEXTS.choose(rng).unwrap()).into(),
        };
        if ty.holds(&value) {
            return value;
        }
    }
}

/// A random expression, most of which fit their columns.
fn expression(rng: &mut ChaCha8Rng, kind: u8, depth: u8) -> String {
    let leaf = depth == 0;
    let mut part = |kind: u8| if leaf { String::new() } else { expression(rng, kind, depth - 1) };
    match kind {
        // Numbers.
        0 => {
            let (left, right) = (part(0), part(0));
            let (text, condition) = (part(1), part(2));
            match rng.random_range(if leaf { 0..6 } else { 0..15 }) {
                0 => "a_int".to_owned(),
                1 => "b_int".to_owned(),
                2 => "a_money".to_owned(),
                3 => "b_wide".to_owned(),
                4 => ["0", "1", "2.50", "0.001", "1000000"].choose(rng).unwrap().to_string(),
                5 => "null".to_owned(),
                6 | 7 => format!("{left} + {right}"),
                8 => format!("{left} - ({right})"),
                9 => format!("({left}) * ({right})"),
                10 => format!("-({left})"),
                11 => format!("length({text})"),
                12 => format!("case when {condition} then {left} else {right} end"),
                13 => format!("coalesce({left}, {right})"),
                _ => {
                    let ty = ["int", "decimal(9,2)", "decimal(5,0)", "decimal(12,4)"].choose(rng).unwrap();
                    let source = if rng.random_bool(0.5) { left } else { text };
                    format!("{}({source} as {ty})", if rng.random_bool(0.5) { "cast" } else { "try_cast" })
                }
            }
        }
        // Texts.
        1 => {
            let (left, right) = (part(1), part(1));
            let (number, condition) = (part(0), part(2));
            match rng.random_range(if leaf { 0..4 } else { 0..14 }) {
                0 => "a_text".to_owned(),
                1 => "b_short".to_owned(),
                2 => ["''", "'a'", "' X '", "'it''s'", "'Ä'"].choose(rng).unwrap().to_string(),
                3 => "null".to_owned(),
                4 => format!("{left} || {right}"),
                5 => format!("lower({left})"),
                6 => format!("upper({left})"),
                7 => format!("trim({left})"),
                8 => format!("substr({left}, {})", rng.random_range(1..5)),
                9 => format!("substr({left}, {}, {})", rng.random_range(1..5), rng.random_range(0..4)),
                10 => format!("replace({left}, {right}, 'z')"),
                11 => format!(
                    "split_part({left}, {}, {})",
                    ["','", "' '", "'b'"].choose(rng).unwrap(),
                    rng.random_range(1..5)
                ),
                12 => format!("case when {condition} then {left} when {condition} is null then {right} end"),
                _ => match rng.random_range(0..4) {
                    0 => format!("cast({number} as text)"),
                    1 => format!("cast({left} as text(3))"),
                    _ => format!("coalesce({left}, {right})"),
                },
            }
        }
        // Conditions.
        _ => {
            let kind = rng.random_range(0..2);
            let mut part = |kind: u8| if leaf { String::new() } else { expression(rng, kind, depth - 1) };
            let (left, right) = (part(kind), part(kind));
            let (one, other) = (part(2), part(2));
            let sign = ["=", "<>", "<", "<=", ">", ">="].choose(rng).unwrap();
            match rng.random_range(if leaf { 0..3 } else { 0..11 }) {
                0 => "a_bool".to_owned(),
                1 => "true".to_owned(),
                2 => "b_bool".to_owned(),
                3 => format!("({one}) and ({other})"),
                4 => format!("({one}) or ({other})"),
                5 => format!("not ({one})"),
                6 => format!("({left}) is null"),
                7 => format!("a_day {sign} date '2024-10-04'"),
                8 => format!(
                    "a_time {sign} timestamp '1970-01-01T00:00:00Z' or a_uuid = uuid '00000000-0000-0000-0000-000000000000'"
                ),
                _ => format!("({left}) {sign} ({right})"),
            }
        }
    }
}

/// A value as both stores show it when it is cast to text.
fn shown(value: &Value, dialect: Dialect) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(value) if dialect != Dialect::Postgres => Some(i32::from(*value).to_string()),
        Value::Timestamp(_) if dialect == Dialect::MariaDb => {
            Some(value.to_string().replace('T', " ").trim_end_matches('Z').to_owned())
        }
        other => Some(other.to_string()),
    }
}

fn stored(value: &Value, ty: Type, dialect: Dialect) -> String {
    match (value, ty) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Bool(value), _) if dialect != Dialect::Postgres => i32::from(*value).to_string(),
        (Value::Timestamp(_), _) if dialect == Dialect::MariaDb => {
            format!("'{}'", value.to_string().trim_end_matches('Z'))
        }
        (Value::Decimal(decimal), Type::Decimal { scale, .. }) => {
            format!("'{}'", decimal.to_scale(scale.into()).unwrap())
        }
        (value, _) => format!("'{}'", value.to_string().replace('\'', "''")),
    }
}

async fn databases() -> Vec<(Dialect, Conn)> {
    let file = tether::directory("daybook-it-").keep().join("expressions.db");
    let open = async |url: String| {
        let url: DbUrl = url.parse().unwrap();
        Conn::open(&url, Access::Create, "test").await.unwrap()
    };
    let mut databases = vec![(Dialect::Sqlite, open(format!("sqlite:{}", file.display())).await)];
    if let Some(server) = servers::postgres_or_skip() {
        databases.push((Dialect::Postgres, open(server.create_database().url).await));
    }
    if let Some(server) = servers::mariadb_or_skip() {
        databases.push((Dialect::MariaDb, open(server.create_database().url).await));
    }
    databases
}

fn table(dialect: Dialect, rows: &[Row]) -> Vec<String> {
    let text = format!(
        "[table.t]\nkey = [\"id\"]\n[table.t.columns]\nid = \"int\"\n{}",
        COLUMNS.map(|(name, ty)| format!("{name} = {{ type = \"{ty}\", null = true }}\n")).concat()
    );
    let source = schema_mappers::VersionSource::new(
        journal_core::model::SchemaVersion(1),
        [("schema.toml", text.as_str())],
    );
    let set = schema_mappers::SchemaSet::from_sources(vec![source]).unwrap();
    let mut statements = schema_mappers::ddl::create_tables(set.newest(), dialect);
    for (id, row) in rows.iter().enumerate() {
        let cells: Vec<String> = columns()
            .iter()
            .map(|column| stored(row.get(&column.name).unwrap(), column.ty, dialect))
            .collect();
        statements.push(format!("INSERT INTO t VALUES ({id}, {})", cells.join(", ")));
    }
    statements
}

#[tokio::test]
async fn every_store_computes_what_the_mapper_computes() {
    let seed: u64 =
        std::env::var("EXPRESSION_SEED").ok().map_or_else(rand::random, |seed| seed.parse().unwrap());
    println!("replay with EXPRESSION_SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let columns = columns();
    let rows: Vec<Row> = (0..ROWS)
        .map(|_| {
            let cells = columns.iter().map(|column| {
                let value = if rng.random_bool(0.15) { Value::Null } else { value(&mut rng, column.ty) };
                (column.name.clone(), value)
            });
            cells.collect()
        })
        .collect();
    let mut expressions: Vec<(String, Expression)> = Vec::new();
    while expressions.len() < EXPRESSIONS {
        let (kind, depth) = (rng.random_range(0..3), rng.random_range(1..4));
        let text = expression(&mut rng, kind, depth);
        if let Ok(read) = Expression::read(&text, &columns) {
            expressions.push((text, read));
        }
    }
    agree(&rows, &expressions, &format!("seed {seed}")).await;
}

/// MariaDB gives a zero with a sign as the remainder of a whole negative number, and that is no zero where it compares.
#[tokio::test]
async fn a_whole_negative_decimal_is_whole_in_every_store() {
    let columns = columns();
    let text = "try_cast((b_wide) * (0 - (b_wide)) as decimal(5,0))";
    let expressions = [(text.to_owned(), Expression::read(text, &columns).unwrap())];
    let row = |units: &str| -> Row {
        let cells = columns.iter().map(|column| {
            let value = Value::Decimal(units.parse().unwrap());
            (column.name.clone(), if *column.name == *"b_wide" { value } else { Value::Null })
        });
        cells.collect()
    };
    agree(&[row("1"), row("-2"), row("0"), row("0.5")], &expressions, "").await;
}

/// Fails where a store computes something else than the mapper.
async fn agree(rows: &[Row], expressions: &[(String, Expression)], place: &str) {
    for (dialect, mut conn) in databases().await {
        for statement in table(dialect, rows) {
            conn.lend().script(&statement).await.unwrap_or_else(|fault| panic!("{fault} in {statement}"));
        }
        for (text, expression) in expressions {
            let sql = expression.sql(dialect, &|name: &Name| format!("\"{name}\""));
            let select = format!("SELECT {} FROM t ORDER BY id", text_of(&sql, dialect));
            let found = conn.lend().fetch(&select, vec![]).await;
            let found = found.unwrap_or_else(|fault| panic!("{fault} in {text}: {select}"));
            for (row, found) in rows.iter().zip(&found) {
                let (value, _) = expression.evaluate(row);
                let (told, found) = (shown(&value, dialect), found.opt_text(0).unwrap());
                let same = told == found
                    || plain(told.as_deref()) == plain(found.as_deref())
                        && matches!(value, Value::Decimal(_));
                assert!(
                    same,
                    "{place}, {dialect}: {text} on {row:?}: mapper {told:?}, store {found:?}\n{sql}"
                );
            }
        }
    }
}

/// What CAST makes a text of.
fn text_of(sql: &str, dialect: Dialect) -> String {
    let text = if dialect == Dialect::MariaDb { "char" } else { "text" };
    format!("CAST({sql} AS {text})")
}

/// A decimal without the zeros that its column's scale adds.
fn plain(text: Option<&str>) -> Option<String> {
    text.and_then(|text| text.parse::<journal_core::model::Decimal>().ok()).map(|decimal| decimal.to_string())
}

/// Types between which values are cast, each with values at its edges and at those of the others.
const CASTS: [(&str, &[&str]); 16] = [
    ("bool", &["true", "false"]),
    (
        "int",
        &[
            "0",
            "1",
            "-1",
            "7",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "-9223372036854775808",
        ],
    ),
    ("decimal(9,2)", &["0", "-0.01", "1", "7.50", "100", "9999999.99", "-1234567.89"]),
    ("decimal(14,4)", &["0", "0.0001", "-0.0100", "7.5", "1234567890.1234", "-9999999999.9999"]),
    ("decimal(4,0)", &["0", "1", "-9999"]),
    ("decimal(30,10)", &["0", "-12345678901234567890.0123456789", "7"]),
    (
        "float",
        &[
            "0",
            "-0",
            "0.1",
            "-2.5",
            "7",
            "1e300",
            "1e-7",
            "9007199254740992",
            "123456.78",
            "0.30000000000000004",
        ],
    ),
    (
        "text",
        &[
            "",
            "0",
            "-0",
            "+1",
            "007",
            "7.50",
            " 7",
            "true",
            "TRUE",
            "t",
            "seven",
            "2024-02-29",
            "2023-02-29",
            "0000-01-01",
            "0001-01-01",
            "9999-12-31",
            "2024-13-01",
            "2024-1-1",
            "now",
            "12:34:56",
            "24:00:00",
            "12:34:56.000001",
            "12:34:56.5",
            "2024-02-29T12:34:56Z",
            "2024-02-29T12:34:56.000000Z",
            "2024-02-30T12:34:56Z",
            "2024-02-29 12:34:56Z",
            "2024-02-29T25:00:00Z",
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
            "6ba7b8109dad11d180b400c04fd430c8",
            "{}",
            "[1, 2]",
            "[",
            "9223372036854775808",
            "99999999999999999999999.5",
        ],
    ),
    ("text(5)", &["", "true", "1", "-2.5", "0.010", "abcde"]),
    ("date", &["1970-01-01", "0001-01-01", "9999-12-31", "2024-02-29"]),
    ("time", &["00:00:00", "23:59:59.999999", "12:34:56"]),
    (
        "timestamp",
        &[
            "1970-01-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "2024-02-29T12:34:56.000001Z",
            "1969-12-31T00:00:00Z",
        ],
    ),
    ("uuid", &["6ba7b810-9dad-11d1-80b4-00c04fd430c8", "00000000-0000-0000-0000-000000000000"]),
    ("json", &["{}", "[1, 2]", "null", "\"a\""]),
    ("decimal(18,6)", &["123456789012.345678", "0.000001"]),
    ("text(27)", &["2024-02-29T12:34:56.000000Z", "x"]),
];

fn read(ty: Type, text: &str) -> Value {
    match ty {
        Type::Bool => Value::Bool(text == "true"),
        Type::Int => Value::Int(text.parse().unwrap()),
        Type::Float => Value::Float(text.parse().unwrap()),
        Type::Json => Value::Json(text.to_owned()),
        ty => ty.read_json(&serde_json::Value::String(text.to_owned())).unwrap(),
    }
}

/// SQL that shows a value of a type as this program writes it.
fn as_text(sql: &str, ty: Type, dialect: Dialect) -> String {
    match (ty, dialect) {
        (Type::Timestamp, Dialect::Postgres) => {
            format!("to_char(({sql}) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
        }
        (Type::Time, Dialect::Postgres) => format!("to_char(CAST(({sql}) AS interval), 'HH24:MI:SS.US')"),
        (Type::Float, Dialect::Sqlite) => {
            format!("CASE WHEN ({sql}) IS NOT NULL THEN printf('%!.17g', {sql}) END")
        }
        _ => text_of(&format!("({sql})"), dialect),
    }
}

#[tokio::test]
async fn casts_mean_the_same_in_every_store() {
    let types: Vec<Type> = CASTS.iter().map(|(ty, _)| ty.parse().unwrap()).collect();
    let columns: Vec<Column> = types
        .iter()
        .zip(0..)
        .map(|(ty, nr)| Column { name: format!("c{nr}").into(), ty: *ty, nullable: true })
        .collect();
    let mut tried = 0;
    for (dialect, mut conn) in databases().await {
        for (column, (_, texts)) in columns.iter().zip(CASTS) {
            let values: Vec<Value> =
                texts.iter().map(|text| read(column.ty, text)).chain([Value::Null]).collect();
            let schema = format!(
                "[table.t_{0}]\nkey = [\"id\"]\n[table.t_{0}.columns]\nid = \"int\"\n{0} = {{ type = \"{1}\", null = true }}\n",
                column.name, column.ty
            );
            let source = schema_mappers::VersionSource::new(
                journal_core::model::SchemaVersion(1),
                [("schema.toml", schema.as_str())],
            );
            let set = schema_mappers::SchemaSet::from_sources(vec![source]).unwrap();
            let mut statements = schema_mappers::ddl::create_tables(set.newest(), dialect);
            for (id, value) in values.iter().enumerate() {
                statements.push(format!(
                    "INSERT INTO t_{} VALUES ({id}, {})",
                    column.name,
                    stored(value, column.ty, dialect)
                ));
            }
            for statement in statements {
                conn.lend().script(&statement).await.unwrap_or_else(|fault| panic!("{fault} in {statement}"));
            }
            for to in types.iter().filter(|to| **to != column.ty) {
                let text = format!("try_cast({} as {to})", column.name);
                let Ok(expression) = Expression::read_for(&text, std::slice::from_ref(column), *to) else {
                    continue;
                };
                let sql = expression.sql(dialect, &|name: &Name| format!("\"{name}\""));
                let select =
                    format!("SELECT {} FROM t_{} ORDER BY id", as_text(&sql, *to, dialect), column.name);
                let found = conn.lend().fetch(&select, vec![]).await;
                let found = found.unwrap_or_else(|fault| panic!("{fault} in {text}: {select}"));
                for (value, found) in values.iter().zip(&found) {
                    let row = Row::new().with(column.name.clone(), value.clone());
                    let told = shown(&expression.evaluate(&row).0, dialect);
                    let found = found.opt_text(0).unwrap();
                    let number =
                        |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
                    let same = told == found
                        || to.is_number() && plain(told.as_deref()) == plain(found.as_deref())
                        || *to == Type::Float && number(&told).is_some() && number(&told) == number(&found);
                    assert!(same, "{dialect}: {value:?} {text}: mapper {told:?}, store {found:?}\n{sql}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 500, "only {tried} casts were tried");
}
