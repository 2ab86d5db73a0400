//! The configuration file: one TOML file a group, read once and checked whole. Secrets come from the environment or
//! from files, never from here, and no error shows one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use journal_core::model::SiteName;
use journal_core::sql::DbUrl;
use serde::Deserialize;

/// How long another applier waits without a sign of life before it takes a site over.
const LEASE_TTL_MS_DEFAULT: u64 = 2_000;
/// Shorter, and a busy disk looks like a dead applier.
const LEASE_TTL_MS_MIN: u64 = 100;

/// Between two looks of a service that nobody tells anything.
pub const LOOK_EVERY_MS_DEFAULT: u64 = 10;

/// A group, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The group's name.
    pub group: String,
    /// The directory of the schema set.
    pub schema: PathBuf,
    /// Its sites by name.
    pub sites: BTreeMap<SiteName, SiteConfig>,
    /// After how long without a sign of life another applier takes a site over.
    pub lease_ttl: Duration,
    /// How often an idle service looks for work of which nobody tells it: appends in plain SQL, and all work on SQLite and
    /// MariaDB. Ten times less often for what operators asked of the quarantine, and for seals where it was heard that they are
    /// told.
    pub look_every: Duration,
    /// Where the service answers readiness checks; nowhere unless set.
    pub http: Option<SocketAddr>,
}

/// One site.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// Its database.
    pub url: DbUrl,
    /// Its stripe of ids, distinct in the group.
    pub stripe: i64,
}

/// Why a configuration cannot be used. Names the file and the setting.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error("D0301: read {}", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("D0302: {}: {detail}", file.display())]
    Syntax { file: PathBuf, detail: String },
    #[error("D0303: {}: {setting}: {detail}", file.display())]
    Setting { file: PathBuf, setting: String, detail: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    group: String,
    schema: String,
    #[serde(default)]
    lease_ttl_ms: Option<u64>,
    look_every_ms: Option<u64>,
    http: Option<String>,
    sites: BTreeMap<String, RawSite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSite {
    url: String,
    password_file: Option<String>,
    password_env: Option<String>,
    stripe: Option<i64>,
}

impl Config {
    /// Reads and checks a file. Relative paths in it are relative to its directory.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, file, &|name| std::env::var(name).ok())
    }

    /// Checks the text of a file, which need not be there, in an environment.
    pub(crate) fn parse(
        text: &str,
        file: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let raw: RawConfig = toml::from_str(text)
            .map_err(|error| ConfigError::Syntax { file: file.to_owned(), detail: syntax(&error, text) })?;
        let place = Place { file, env };
        if raw.sites.is_empty() {
            return Err(place.wrong("sites", "a group has at least one site: add [sites.NAME] with its url"));
        }
        let lease_ttl_ms = raw.lease_ttl_ms.unwrap_or(LEASE_TTL_MS_DEFAULT);
        if lease_ttl_ms < LEASE_TTL_MS_MIN {
            return Err(place.wrong("lease_ttl_ms", &format!("at least {LEASE_TTL_MS_MIN}")));
        }
        let look_every_ms = raw.look_every_ms.unwrap_or(LOOK_EVERY_MS_DEFAULT);
        if look_every_ms == 0 {
            return Err(place.wrong("look_every_ms", "at least 1"));
        }
        let mut sites = BTreeMap::new();
        for (index, (name, site)) in (0i64..).zip(&raw.sites) {
            let name = SiteName::new(name).map_err(|error| place.wrong("sites", &error.to_string()))?;
            let checked = place.site(&name, site, index)?;
            sites.insert(name, checked);
        }
        place.distinct(&sites)?;
        Ok(Self {
            group: place.expand("group", &raw.group)?,
            schema: place.path(&place.expand("schema", &raw.schema)?),
            sites,
            lease_ttl: Duration::from_millis(lease_ttl_ms),
            look_every: Duration::from_millis(look_every_ms),
            http: raw.http.as_deref().map(|text| place.address("http", text)).transpose()?,
        })
    }

    /// A site of the group.
    pub fn site(&self, name: &SiteName) -> Option<&SiteConfig> {
        self.sites.get(name)
    }
}

/// TOML's message with its line, without the source line, which may hold a password.
fn syntax(error: &toml::de::Error, text: &str) -> String {
    let line =
        error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

struct Place<'p> {
    file: &'p Path,
    env: &'p dyn Fn(&str) -> Option<String>,
}

impl Place<'_> {
    fn wrong(&self, setting: &str, detail: &str) -> ConfigError {
        ConfigError::Setting {
            file: self.file.to_owned(),
            setting: setting.to_owned(),
            detail: detail.to_owned(),
        }
    }

    fn address(&self, setting: &str, text: &str) -> Result<SocketAddr, ConfigError> {
        let wanted = "an address and a port, such as 127.0.0.1:8420";
        self.expand(setting, text)?.parse().map_err(|_| self.wrong(setting, wanted))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    fn site(&self, name: &SiteName, raw: &RawSite, index: i64) -> Result<SiteConfig, ConfigError> {
        let setting = |key: &str| format!("sites.{name}.{key}");
        let text = self.expand(&setting("url"), &raw.url)?;
        let text = match text.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path)) {
            Some(path) => format!("sqlite:{}", self.path(path).display()),
            None => text,
        };
        let mut url: DbUrl =
            text.parse().map_err(|error| self.wrong(&setting("url"), &format!("{error}")))?;
        if let Some(file) = &raw.password_file {
            let key = setting("password_file");
            let path = self.path(&self.expand(&key, file)?);
            let secret = std::fs::read_to_string(&path)
                .map_err(|error| self.wrong(&key, &format!("read {}: {error}", path.display())))?;
            url = url.with_password(secret.trim_end_matches(['\r', '\n']));
        }
        if let Some(variable) = &raw.password_env {
            let key = setting("password_env");
            let secret = (self.env)(variable)
                .ok_or_else(|| self.wrong(&key, &format!("the environment has no variable {variable}")))?;
            url = url.with_password(&secret);
        }
        let stripe = raw.stripe.unwrap_or(index);
        if !(0..journal_core::store::sql::STRIPES).contains(&stripe) {
            let most = journal_core::store::sql::STRIPES - 1;
            return Err(self.wrong(&setting("stripe"), &format!("{stripe} is not between 0 and {most}")));
        }
        Ok(SiteConfig { url, stripe })
    }

    fn distinct(&self, sites: &BTreeMap<SiteName, SiteConfig>) -> Result<(), ConfigError> {
        let mut stripes: BTreeMap<i64, &SiteName> = BTreeMap::new();
        let mut urls: BTreeMap<String, &SiteName> = BTreeMap::new();
        for (name, site) in sites {
            if let Some(other) = stripes.insert(site.stripe, name) {
                let detail =
                    format!("{name} and {other} would hand out the same ids; give each its own stripe");
                return Err(self.wrong(&format!("sites.{name}.stripe"), &detail));
            }
            if let Some(other) = urls.insert(site.url.to_string(), name) {
                let detail = format!("{name} and {other} are the same database");
                return Err(self.wrong(&format!("sites.{name}.url"), &detail));
            }
        }
        Ok(())
    }

    /// Replaces `${NAME}` by the environment's value; `$$` is a dollar sign.
    fn expand(&self, setting: &str, text: &str) -> Result<String, ConfigError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some((name, after)) =
                after.strip_prefix('{').and_then(|after| after.split_once('}'))
            {
                let value = (self.env)(name)
                    .ok_or_else(|| self.wrong(setting, &format!("the environment has no variable {name}")))?;
                out.push_str(&value);
                rest = after;
            } else {
                return Err(self.wrong(setting, "a dollar sign begins ${NAME}, or is written $$"));
            }
        }
        out.push_str(rest);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        let env = |name: &str| (name == "PGPASS").then(|| "hunter2".to_owned());
        Config::parse(text, Path::new("/etc/daybook/shop.toml"), &env)
    }

    #[test]
    fn a_group_reads_with_paths_relative_to_its_file() {
        let config = parse(
            "group = 'shop'\nschema = 'schema'\n[sites.a]\nurl = 'sqlite:a.db'\n[sites.b]\nurl = 'postgres://app:${PGPASS}@db/shop'\n",
        )
        .unwrap();
        assert_eq!(config.schema, Path::new("/etc/daybook/schema"));
        let sites: Vec<String> = config.sites.values().map(|site| site.url.to_string()).collect();
        assert_eq!(sites, ["sqlite:/etc/daybook/a.db", "postgres://app@db:5432/shop"]);
        assert_eq!(config.sites.values().map(|site| site.stripe).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn each_fault_names_the_setting_and_shows_no_secret() {
        for (text, expected) in [
            ("group = 'g'\nschema = 's'\nsite = 1", "line 3"),
            ("group = 'g'\nschema = 's'\n[sites.A]\nurl = 'sqlite:a.db'", "[a-z]"),
            ("group = 'g'\nschema = 's'\n[sites.a]\nurl = 'oracle://u:hunter2@h/d'", "sites.a.url"),
            ("group = 'g'\nschema = 's'\n[sites.a]\nurl = 'sqlite:${NOPE}'", "NOPE"),
            (
                "group = 'g'\nschema = 's'\n[sites.a]\nurl = 'sqlite:x.db'\n[sites.b]\nurl = 'sqlite:x.db'",
                "same database",
            ),
            ("group = 'g'\nschema = 's'\n[sites.a]\nurl = 'sqlite:a.db'\nstripe = 99", "sites.a.stripe"),
            ("group = 'g'\nschema = 's'\nlease_ttl_ms = 1\n[sites.a]\nurl = 'sqlite:a.db'", "lease_ttl_ms"),
            ("group = 'g'\nschema = 's'\nlook_every_ms = 0\n[sites.a]\nurl = 'sqlite:a.db'", "look_every_ms"),
            ("group = 'g'\nschema = 's'\nsites = {}", "at least one site"),
            ("group = 'g'\nschema = 's'\nhttp = '8420'\n[sites.a]\nurl = 'sqlite:a.db'", "127.0.0.1:8420"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
            assert!(!message.contains("hunter2"), "{message:?}");
        }
    }
}
