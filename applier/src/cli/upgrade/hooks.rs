//! Programs of the operator's before and after each step. What they need stands in their environment; one that does not
//! end well stops the upgrade where it is.

use std::path::PathBuf;
use std::process::Command;

use journal_core::model::SiteName;

use super::conduct::Conduct;
use crate::cli::code;
use crate::cli::failure::{Exit, Failure};
use crate::upgrade::machine::Direction;
use crate::upgrade::record::Upgrade;

/// On which side of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

impl When {
    fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Runs the hooks of a step, one after the other.
pub(super) async fn run(
    conduct: &Conduct,
    when: When,
    group: &str,
    site: &SiteName,
    upgrade: &Upgrade,
) -> anyhow::Result<()> {
    for (name, mut command) in commands(conduct, when, upgrade) {
        let direction = match upgrade.place.direction {
            Direction::Forward => "forward",
            Direction::Back => "back",
        };
        command
            .env("DAYBOOK_GROUP", group)
            .env("DAYBOOK_SITE", site.as_str())
            .env("DAYBOOK_STEP", upgrade.place.step.name())
            .env("DAYBOOK_WHEN", when.word())
            .env("DAYBOOK_DIRECTION", direction)
            .env("DAYBOOK_FROM", upgrade.from.to_string())
            .env("DAYBOOK_TO", upgrade.to.to_string())
            .env("DAYBOOK_OPERATION", &upgrade.operation);
        let ended = tokio::task::spawn_blocking(move || command.output()).await?;
        let output = ended.map_err(|error| {
            Failure::because(code::HOOK_SAID_NO, format!("the hook {name} could not be run"), error)
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let message = format!(
                "the hook {name} {} {} at {site} ended with {}: {}",
                when.word(),
                upgrade.place.step,
                output.status,
                said.trim()
            );
            return Err(Failure::error(Exit::Failure, code::HOOK_SAID_NO, message));
        }
    }
    Ok(())
}

fn commands(conduct: &Conduct, when: When, upgrade: &Upgrade) -> Vec<(String, Command)> {
    let mut commands = Vec::new();
    let program: Option<PathBuf> = conduct
        .hook_dir
        .as_ref()
        .map(|directory| directory.join(format!("{}-{}", when.word(), upgrade.place.step)))
        .filter(|program| program.exists());
    if let Some(program) = program {
        commands.push((program.display().to_string(), Command::new(program)));
    }
    let shell = match when {
        When::Before => &conduct.before,
        When::After => &conduct.after,
    };
    if let Some(text) = shell {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        commands.push((format!("{text:?}"), command));
    }
    commands
}
