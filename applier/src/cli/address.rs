//! Addresses of databases in arguments. Never holds a password that was spelled out: everybody on the machine sees
//! arguments. Errors do not repeat the address.

use journal_core::sql::DbUrl;

use super::code;
use super::failure::{Exit, Failure};

const PASSWORD: &str = "a password in an argument is seen by everybody on this machine; name an environment variable \
                        instead, as postgres://USER:${VARIABLE}@HOST/DATABASE";

/// Refuses an address with a password in it, unless that is an environment variable's name. `option` is named in errors.
/// The argument parser repeats what it refuses, so it takes addresses as any text, and this comes after.
pub(super) fn refuse_password(option: &str, address: &str) -> anyhow::Result<()> {
    match has_password(address) {
        false => Ok(()),
        true => {
            let message = format!("{option}: {PASSWORD}");
            Err(Failure::error(Exit::Usage, code::PASSWORD_IN_ARGUMENT, message))
        }
    }
}

/// The database an argument names, with `${VARIABLE}` in it taken from the environment.
pub(super) fn read(option: &str, address: &str) -> anyhow::Result<DbUrl> {
    refuse_password(option, address)?;
    let wrong = |what: String| Failure::error(Exit::Usage, code::USAGE, format!("{option}: {what}"));
    let text = expand(address, &|name| std::env::var(name).ok()).map_err(wrong)?;
    text.parse().map_err(|error: journal_core::sql::InvalidUrl| wrong(error.to_string()))
}

/// Replaces `${NAME}` by the environment's value.
fn expand(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            return Err("a ${ without its }".to_owned());
        };
        out.push_str(before);
        out.push_str(&environment(name).ok_or_else(|| format!("the environment has no variable {name}"))?);
        rest = after;
    }
    Ok(out + rest)
}

/// Whether an address spells a password out. One taken whole from the environment does not.
fn has_password(address: &str) -> bool {
    let Some((_, rest)) = address.split_once("://") else { return false };
    let variable = |secret: &str| secret.starts_with("${") && secret.ends_with('}');
    let spelled = |secret: &str| !secret.is_empty() && !variable(secret);
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    // A password may hold an at sign, so the last one ends it.
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let in_user = user.split_once(':').is_some_and(|(_, secret)| spelled(secret));
    let mut parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
    in_user || parameters.any(|(name, secret)| name == "password" && spelled(secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::Told;

    #[test]
    fn an_address_with_a_password_is_refused_wherever_it_stands_and_not_repeated() {
        for address in [
            "postgres://app:hunter2@db/shop",
            "postgres://app:hun@ter2@db/shop",
            "postgres://app@db/shop?password=hunter2",
            "postgres://app:${PGPASS}x@db/shop",
        ] {
            let told = Told::of(&refuse_password("--into", address).unwrap_err());
            assert_eq!(
                (told.exit, told.code.as_str()),
                (Exit::Usage, code::PASSWORD_IN_ARGUMENT),
                "{address}"
            );
            assert!(!told.text().contains("ter2") && !told.text().contains("PGPASS"), "{told:?}");
        }
        for address in [
            "postgres://app@db/shop",
            "postgres://app:${PGPASS}@db/shop",
            "postgres://app@localhost/shop?host=/run/pg",
            "sqlite:a.db",
        ] {
            refuse_password("--into", address).unwrap();
        }
    }

    #[test]
    fn variables_are_taken_from_the_environment_and_must_be_there() {
        let environment = |name: &str| (name == "PGPASS").then(|| "hunter2".to_owned());
        let url = expand("postgres://app:${PGPASS}@db/shop", &environment);
        assert_eq!(url.as_deref(), Ok("postgres://app:hunter2@db/shop"));
        assert_eq!(expand("sqlite:${X}", &environment), Err("the environment has no variable X".to_owned()));
        assert_eq!(expand("sqlite:${X", &environment), Err("a ${ without its }".to_owned()));
    }

    #[test]
    fn what_is_no_address_is_a_fault_of_the_command_line() {
        let told = Told::of(&read("--into", "oracle://root@h/db").unwrap_err());
        assert_eq!((told.exit, told.code.as_str()), (Exit::Usage, code::USAGE));
        assert!(told.message.starts_with("--into: not a database address"), "{told:?}");
    }
}
