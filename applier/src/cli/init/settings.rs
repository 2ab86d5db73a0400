//! The configuration file that `init` writes. Never holds a password, and never replaces a file that says otherwise.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use journal_core::model::SiteName;

use crate::cli::address::refuse_password;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::config::Config;

/// A site with its database, as `NAME=URL` gives them.
#[derive(Debug, PartialEq, Eq)]
struct NamedUrl {
    name: SiteName,
    url: String,
}

impl NamedUrl {
    /// Reads the argument. An error does not repeat the address, which may hold a password; that is also why the
    /// argument parser, which repeats what it refuses, takes it as any text.
    fn read(text: &str) -> anyhow::Result<Self> {
        let usage = |message: &str| Failure::error(Exit::Usage, code::USAGE, format!("--site: {message}"));
        let parts = text.split_once('=').filter(|(_, url)| !url.is_empty());
        let (name, url) = parts.ok_or_else(|| usage("not of the form NAME=URL, such as a=sqlite:a.db"))?;
        refuse_password("--site", url)?;
        let name = SiteName::new(name).map_err(|error| usage(&error.to_string()))?;
        Ok(Self { name, url: url.to_owned() })
    }
}

/// The configuration as the arguments give it.
#[derive(Debug)]
pub(super) struct Given {
    text: String,
}

impl Given {
    /// `None` when the arguments give none.
    pub(super) fn new(
        group: Option<String>,
        schema: Option<String>,
        sites: &[String],
    ) -> anyhow::Result<Option<Self>> {
        let (Some(group), Some(schema)) = (group, schema) else { return Ok(None) };
        let sites = sites.iter().map(|site| NamedUrl::read(site)).collect::<anyhow::Result<Vec<_>>>()?;
        let mut root = toml::Table::new();
        root.insert("group".to_owned(), group.into());
        root.insert("schema".to_owned(), schema.into());
        let sites = sites.into_iter().map(|site| {
            let settings = toml::Table::from_iter([("url".to_owned(), site.url.into())]);
            (site.name.to_string(), settings.into())
        });
        root.insert("sites".to_owned(), toml::Table::from_iter(sites).into());
        let head = "# A group of Daybook. Passwords: password_env or password_file beside a url, or ${VARIABLE} in it.\n";
        Ok(Some(Self { text: format!("{head}{root}") }))
    }

    /// The configuration, checked, and whether its file is new. Writes the file only once it is known to be sound.
    pub(super) fn settle(&self, file: &Path, dry_run: bool) -> anyhow::Result<(Config, bool)> {
        if file.exists() {
            let stands = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
            if stands == self.text {
                return Ok((Config::load(file)?, false));
            }
            let message = format!(
                "{} is there and says something else than the arguments; edit it, then run `init` without them",
                file.display()
            );
            return Err(Failure::error(Exit::Failure, code::CONFIG_DIFFERS, message));
        }
        let config = Config::parse(&self.text, file, &|name| std::env::var(name).ok())?;
        if !dry_run {
            let mut new = std::fs::File::create_new(file).with_context(|| writing(file))?;
            new.write_all(self.text.as_bytes()).with_context(|| writing(file))?;
            new.sync_all().with_context(|| writing(file))?;
        }
        Ok((config, true))
    }
}

fn writing(file: &Path) -> String {
    format!("write {}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Told;

    fn refusal(argument: &str) -> Told {
        Told::of(&NamedUrl::read(argument).unwrap_err())
    }

    #[test]
    fn an_address_with_a_password_is_refused() {
        assert_eq!(refusal("a=postgres://app:hunter2@db/shop").code, code::PASSWORD_IN_ARGUMENT);
    }

    #[test]
    fn an_argument_of_another_form_is_refused() {
        for argument in ["a", "a=", "A=sqlite:a.db"] {
            assert_eq!(refusal(argument).code, code::USAGE, "{argument}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("daybook.toml");
        let sites = ["a=sqlite:a.db".to_owned(), "b=sqlite:b.db".to_owned()];
        let given = Given::new(Some("shop".to_owned()), Some("schema".to_owned()), &sites).unwrap().unwrap();
        let (config, written) = given.settle(&file, true).unwrap();
        assert!(written && !file.exists() && config.group == "shop");
        assert!(given.settle(&file, false).unwrap().1);
        assert!(!given.settle(&file, false).unwrap().1, "the second time it is there");
        std::fs::write(&file, "group = 'other'").unwrap();
        let error = given.settle(&file, false).unwrap_err();
        assert!(error.to_string().contains("says something else"), "{error}");
    }
}
