//! What a command shows: one report on standard output, as a table or as JSON; bars on standard error while long work
//! runs, on a terminal only. Never mixes the two, so that standard output can be piped.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::audit::Progress;

/// What tables must fit where nobody tells a width: the narrowest terminal that is still common.
const COLUMNS: u16 = 80;

/// Where reports go and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Prints the report of a command.
    pub(crate) fn report<T: Serialize>(
        self,
        report: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let shown = if self.json { serde_json::to_string(report)? } else { text(report) };
        self.line(&shown)
    }

    /// Prints a line at once: somebody may be waiting for it.
    pub(crate) fn line(self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let written = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
        match written {
            // Whoever read along has seen enough; the work itself is done.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(Into::into),
        }
    }

    /// A remark for people, on standard error.
    pub(crate) fn remark(self, text: &str) {
        if !self.json {
            eprintln!("{text}");
        }
    }

    /// A bar for `total` things, or a counter where the total is not known. Silent unless people are watching.
    pub(crate) fn bar(self, what: &'static str, total: Option<u64>) -> ProgressBar {
        if self.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let (bar, template) = match total {
            Some(total) => {
                (ProgressBar::new(total), "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}")
            }
            None => (ProgressBar::no_length(), "{msg} {spinner} {human_pos} {per_sec}"),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style).with_message(what)
    }

    /// Moves a bar to where the work is.
    pub(crate) fn follow(self, bar: &ProgressBar, progress: Progress) {
        if let Some(total) = progress.total {
            bar.set_length(total.max(progress.done));
        }
        bar.set_position(progress.done);
    }
}

/// A table without borders that keeps within 80 columns: long cells wrap.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(COLUMNS);
    table.set_header(header.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_never_exceeds_eighty_columns() {
        let long = "word ".repeat(60);
        let text =
            table(&["site", "reason"], [vec!["a".to_owned(), long], vec!["b".to_owned(), String::new()]]);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.lines().count() > 4, "{text}");
    }
}
