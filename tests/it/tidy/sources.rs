//! The repository's text files, read once, and the one form in which a broken rule is reported.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a walk passes by: builds, and the history.
const SKIPPED: &[&str] = &["target", ".git"];

/// Names without an extension that are text all the same.
const TEXT_NAMES: &[&str] = &["run", "justfile", ".gitignore"];

/// Extensions of text that people write here.
const TEXT_EXTENSIONS: &[&str] =
    &["rs", "toml", "md", "sql", "sh", "yaml", "yml", "json", "html", "css", "js"];

/// A text file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// From the root of the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn is_under(&self, directory: &str) -> bool {
        self.path.starts_with(directory)
    }

    /// Lines of code with their numbers: what a comment says does not count.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// A report for each line of code that has one of `words`, as a whole word.
    pub(super) fn naming(&self, words: &[&str], rule: &str) -> Vec<String> {
        self.code()
            .filter_map(|(number, line)| {
                let word = words.iter().find(|word| has_word(line, word))?;
                Some(format!("{}:{number}: `{word}`: {rule}", self.path))
            })
            .collect()
    }
}

/// The root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every text file of the repository, by path.
pub(super) fn all() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(|| {
        let mut sources = Vec::new();
        walk(root(), &mut sources);
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(sources.iter().any(Source::is_rust), "the walk finds the sources");
        sources
    })
}

/// Every Rust file.
pub(super) fn rust() -> impl Iterator<Item = &'static Source> {
    all().iter().filter(|source| source.is_rust())
}

fn walk(directory: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if SKIPPED.contains(&name) {
            continue;
        }
        if path.is_dir() {
            walk(&path, sources);
        } else if is_text(&path, name) {
            // A file that another process removes meanwhile is no concern of tidiness.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let path = path.strip_prefix(root()).unwrap().components().collect::<PathBuf>();
            sources.push(Source { path: path.to_str().unwrap().to_owned(), text });
        }
    }
}

fn is_text(path: &Path, name: &str) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.map_or(TEXT_NAMES.contains(&name), |extension| TEXT_EXTENSIONS.contains(&extension))
        || TEXT_NAMES.contains(&name)
}

/// Whether `word` stands in `line` with no letter, digit or underscore next to it.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Fails with all reports at once.
pub(super) fn expect_none(faults: impl IntoIterator<Item = String>) {
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// A source that exists only in a test of the rules themselves.
pub(super) fn planted(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}
