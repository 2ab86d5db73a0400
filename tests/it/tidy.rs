//! The rules of the house that a compiler does not check: who may name whom, what may stand where, sizes.
//!
//! Each rule is a function of one file, tried on a planted fault before it is trusted with the repository.

mod manifests;
mod sources;

use std::collections::BTreeSet;

use sources::{Source, all, expect_none, planted, root, rust};

/// Past this, a file is split. New files have no way around it.
const LINES_MAX: usize = 500;

/// Files that may be longer, each with the length it must not grow beyond. Entries only shrink or go.
const LONGER: &[(&str, usize)] = &[];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "types", "helpers", "helper", "manager", "misc"];

/// Files of the engine that act; all others decide and know neither driver nor channel nor clock.
const ACTING: &[&str] = &["applier/src/engine/poster", "applier/src/engine/clock"];

/// A boundary: files under `within`, except those under `except`, name none of `words`.
struct Boundary {
    within: &'static str,
    except: &'static [&'static str],
    words: &'static [&'static str],
    rule: &'static str,
}

const BOUNDARIES: &[Boundary] = &[
    Boundary {
        within: "journal-core/",
        except: &[],
        words: &["applier", "schema_mappers", "journal_tests"],
        rule: "journal-core depends on no other crate of the workspace",
    },
    Boundary {
        within: "schema-mappers/",
        except: &[],
        words: &["applier", "journal_tests", "sqlx", "tokio"],
        rule: "schema-mappers is pure and knows only journal-core's model",
    },
    Boundary {
        within: "applier/",
        except: &[],
        words: &["journal_tests"],
        rule: "nothing that is shipped depends on the tests",
    },
    Boundary {
        within: "journal-core/src/model/",
        except: &[],
        words: &["sqlx", "tokio", "std::fs", "std::net", "SystemTime", "Utc::now"],
        rule: "the model is plain data: no I/O, no clock, no driver",
    },
    Boundary {
        within: "applier/src/engine/",
        except: ACTING,
        words: &["sqlx", "tokio", "std::fs", "std::net", "SystemTime", "Instant::now", "Utc::now"],
        rule: "the engine decides; only its poster and its clock act",
    },
    Boundary {
        within: "",
        except: &["journal-core/src/codec/payload.rs", "tests/it/tidy"],
        words: &["bincode"],
        rule: "only journal-core/src/codec/payload.rs may name the unmaintained codec",
    },
    Boundary {
        within: "",
        except: &["journal-core/src/sql/", "tests/it/tidy"],
        words: &["AssertSqlSafe"],
        rule: "SQL text is vouched for in journal-core/src/sql/ only",
    },
];

impl Boundary {
    fn faults(&self, source: &Source) -> Vec<String> {
        let outside = !source.is_under(self.within) || self.except.iter().any(|path| source.is_under(path));
        if outside || !source.is_rust() { Vec::new() } else { source.naming(self.words, self.rule) }
    }
}

#[test]
fn no_file_names_what_lies_beyond_its_boundary() {
    expect_none(BOUNDARIES.iter().flat_map(|boundary| rust().flat_map(|source| boundary.faults(source))));
}

#[test]
fn the_boundaries_are_where_they_are_said_to_be() {
    let crossings = [
        ("journal-core/src/client/mod.rs", "use applier::engine;"),
        ("schema-mappers/src/set.rs", "pub async fn f(c: sqlx::PgConnection) {}"),
        ("applier/src/service.rs", "use journal_tests::servers;"),
        ("journal-core/src/model/value.rs", "let now = SystemTime::now();"),
        ("applier/src/engine/decide.rs", "tokio::task::yield_now().await"),
        ("applier/src/ledger/memory.rs", "bincode::encode_to_vec(row)"),
        ("applier/src/ledger/sql.rs", "sqlx::query(AssertSqlSafe(text))"),
    ];
    for ((path, text), boundary) in crossings.into_iter().zip(BOUNDARIES) {
        assert_eq!(boundary.faults(&planted(path, text)).len(), 1, "{path}");
        assert!(boundary.faults(&planted(path, &format!("// {text}"))).is_empty(), "{path}, as a comment");
    }
    let allowed = planted("applier/src/engine/poster.rs", "use tokio::sync::mpsc;");
    assert!(BOUNDARIES.iter().all(|boundary| boundary.faults(&allowed).is_empty()));
}

/// What is wrong with one Rust file by itself.
fn form_faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let path = &source.path;
    if !source.text.starts_with("//!") {
        faults.push(format!("{path}: begins with its job, as `//!`"));
    }
    let lines = source.text.lines().count();
    let most = LONGER.iter().find(|(longer, _)| longer == path).map_or(LINES_MAX, |(_, most)| *most);
    if lines > most {
        faults.push(format!("{path}: {lines} lines, at most {most}: split it"));
    }
    let stem = path.rsplit('/').find_map(|part| part.strip_suffix(".rs").filter(|stem| *stem != "mod"));
    let folder = path.rsplit('/').nth(1);
    if stem.into_iter().chain(folder).any(|name| EMPTY_NAMES.contains(&name)) {
        faults.push(format!("{path}: name it by what is inside"));
    }
    faults.extend(untried_examples(source));
    let unfinished = ["todo!", "unimplemented!", "FIXME", "TODO"];
    faults.extend(source.naming(&unfinished, "what is not there is absent, not announced"));
    faults.extend(
        source
            .code()
            .filter(|(_, line)| line.trim_start().starts_with("#[ignore"))
            .map(|(number, _)| format!("{path}:{number}: a test that does not run is no test")),
    );
    faults
}

/// Code in doc comments is not built: what it shows is a file of `examples`, taken in whole.
fn untried_examples(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let mut is_open = false;
    let lines: Vec<&str> = source.text.lines().map(str::trim_start).collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(kind) = ["//! ```", "/// ```"].iter().find_map(|fence| line.strip_prefix(fence)) else {
            continue;
        };
        let taken_in = lines.get(at + 1).is_some_and(|next| next.contains("include_str!"));
        if !is_open && !taken_in && !["text", "toml", "sql", "json", "sh"].contains(&kind) {
            faults.push(format!("{}:{}: an example that nothing builds", source.path, at + 1));
        }
        is_open = !is_open;
    }
    faults
}

#[test]
fn every_rust_file_is_in_form() {
    expect_none(rust().filter(|source| !source.is_under("tests/it/tidy")).flat_map(form_faults));
}

#[test]
fn a_file_out_of_form_is_seen() {
    let good = "//! The job.\n";
    let bad = [
        ("applier/src/order.rs", "fn order() {}".to_owned()),
        ("applier/src/order.rs", good.repeat(LINES_MAX + 1)),
        ("applier/src/utils.rs", good.to_owned()),
        ("applier/src/common/mod.rs", good.to_owned()),
        ("applier/src/order.rs", format!("{good}fn order() {{ todo!() }}")),
        ("applier/src/order.rs", format!("{good}    #[ignore]\n    #[test]")),
        ("applier/src/order.rs", format!("{good}//! ```\n//! order();\n//! ```")),
    ];
    for (path, text) in bad {
        assert_eq!(form_faults(&planted(path, &text)).len(), 1, "{path}");
    }
    assert!(form_faults(&planted("applier/src/order.rs", good)).is_empty());
}

#[test]
fn no_longer_file_has_become_short_enough_to_leave_the_list() {
    expect_none(LONGER.iter().filter_map(|(path, most)| {
        let lines = rust().find(|source| source.path == *path).map(|source| source.text.lines().count());
        (lines != Some(*most))
            .then(|| format!("{path}: {lines:?} lines, listed with {most}: lower or drop it"))
    }));
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    // In pieces, so that this file passes.
    let places =
        [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    expect_none(all().iter().flat_map(|source| {
        let lines = source.text.lines().enumerate();
        let named = lines.filter(|(_, line)| places.iter().any(|place| line.contains(place)));
        named.map(|(index, _)| format!("{}:{}: a path of one machine", source.path, index + 1))
    }));
}

/// Error codes in a text: `D` and four digits, alone.
fn codes(text: &str) -> BTreeSet<&str> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
    let is_code = |word: &&str| {
        word.len() == 5 && word.starts_with('D') && word[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    words.filter(is_code).collect()
}

#[test]
fn every_error_code_has_its_page_and_every_page_its_code() {
    let shipped = ["journal-core/src/", "schema-mappers/src/", "applier/src/"];
    let used: BTreeSet<&str> = rust()
        .filter(|source| shipped.iter().any(|directory| source.is_under(directory)))
        .flat_map(|source| source.code().flat_map(|(_, line)| codes(line)))
        .collect();
    let pages: BTreeSet<&str> = all()
        .iter()
        .filter_map(|source| source.path.strip_prefix("docs/errors/")?.strip_suffix(".md"))
        .filter(|stem| !codes(stem).is_empty())
        .collect();
    let missing = used.difference(&pages).map(|code| format!("{code}: no page docs/errors/{code}.md"));
    let idle = pages.difference(&used).map(|code| format!("docs/errors/{code}.md: no code of that name"));
    expect_none(missing.chain(idle));
}

#[test]
fn codes_are_told_from_other_words() {
    assert_eq!(codes("\"D0201\" => code::D0301, // XD0101 D01 D01011"), BTreeSet::from(["D0201", "D0301"]));
}

#[test]
fn every_crate_takes_the_lints_and_the_versions_of_the_workspace() {
    expect_none(manifests::members(root()).iter().flat_map(manifests::faults));
}

#[test]
fn a_manifest_out_of_line_is_seen() {
    for (name, text, expected) in manifests::PLANTED {
        let faults = manifests::faults(&manifests::planted(name, text));
        assert_eq!(faults.len(), *expected, "{name}: {faults:?}");
    }
}
