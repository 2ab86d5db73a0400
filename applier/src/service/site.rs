//! A site's poster: takes the lease, opens the poster, runs its turns, and opens afresh after any trouble.

use std::time::Duration;

use journal_core::journal::JournalStore as _;
use journal_core::sql::{Access, DbUrl, Dialect};
use journal_core::store::sql::SqlJournal;
use schema_mappers::Registry;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::notices::Ear;
use super::{Backoff, Context, lease};
use crate::control::sql::SqlControl;
use crate::control::{ControlStore as _, Standing};
use crate::engine::clock::{Clock as _, WallClock};
use crate::engine::poster::{
    BATCH_GROWTH_BESIDE_APPENDS, BATCH_TRANSACTIONS, LookAhead, Poster, Settings, Turn,
};
use crate::engine::reaction::{PostError, Reaction};
use crate::ledger::sql::SqlLedger;
use crate::ship::hand_over::Relay;
use crate::upgrade::install::load_registry;

type SqlPoster = Poster<Relay<SqlJournal>, SqlLedger, WallClock>;

/// How many looks of an idle poster go by between two for what operators asked of the quarantine.
const ASKED_EVERY: u128 = 10;
/// How often a busy poster writes down where its time goes. It is a commit more.
const NOTE_BUSY: Duration = Duration::from_secs(5);
/// The same when it has come to rest.
const NOTE_IDLE: Duration = Duration::from_secs(1);

/// How long a reason for waiting stands while turns do other work, and how often it is asked then whether it still does.
const STANDS: Duration = Duration::from_secs(1);

/// Runs the site until shutdown, or until its store can no longer be trusted.
pub(super) async fn run(context: Context) {
    let Some(url) = context.config.site(&context.site).map(|site| site.url.clone()) else { return };
    let mut backoff = Backoff::new();
    while !context.shutdown.is_cancelled() {
        let reaction = match serve(&context, &url, &mut backoff).await {
            Ok(reaction) => reaction,
            Err(error) => {
                tracing::warn!(site = %context.site, error = %format!("{error:#}"), "cannot post yet");
                Reaction::BackOff
            }
        };
        match reaction {
            Reaction::Reopen => {}
            Reaction::BackOff => context.rest(backoff.next()).await,
            Reaction::Stop => return,
        }
    }
}

/// One life of the poster: from taking the lease to the first trouble.
async fn serve(context: &Context, url: &DbUrl, backoff: &mut Backoff) -> anyhow::Result<Reaction> {
    let mut control = SqlControl::open(url).await?;
    let Some(held) = lease::take(context, &mut control).await? else { return Ok(Reaction::Reopen) };
    let end = context.shutdown.child_token();
    let keeper = lease::keep(url.clone(), held.fence, context.config.lease_ttl, end.clone());
    let work = async {
        let reaction = post(context, url, &mut control, held.fence, backoff, &end).await;
        end.cancel();
        reaction
    };
    let (reaction, ()) = tokio::join!(work, keeper);
    // Who opens afresh goes on at once: meanwhile nobody is to find the site without a service.
    if context.shutdown.is_cancelled() || !matches!(reaction, Ok(Reaction::Reopen)) {
        control.release_lease(held.fence).await?;
    }
    reaction
}

async fn post(
    context: &Context,
    url: &DbUrl,
    control: &mut SqlControl,
    fence: i64,
    backoff: &mut Backoff,
    end: &CancellationToken,
) -> anyhow::Result<Reaction> {
    let mut poster = open(context, url, control, fence).await?;
    // Unknown at first: a reason that an earlier life wrote down is void now.
    let mut reason = Reason::default();
    reason.note(control, "").await?;
    let mut ear = Ear::default();
    let mut account = Account::open();
    while !end.is_cancelled() {
        match poster.turn().await {
            Ok(Turn::Progress) => {
                backoff.reset();
                reason.beside_work(control, poster.waits_for()).await?;
                if reason.is_to_be_asked() && known_versions_grew(url, &poster).await? {
                    return Ok(Reaction::Reopen);
                }
                account.note(control, &poster, NOTE_BUSY).await?;
                // A look now would stand in the way of who is told of this turn's seal.
                if poster.is_level() && ear.is_open() && context.rest_told().await {
                    ear.rested();
                } else {
                    ear.busy(control).await?;
                }
            }
            Ok(Turn::Idle) => {
                reason.note(control, "").await?;
                account.note(control, &poster, NOTE_IDLE).await?;
                if !ear.idle(control).await? {
                    context.rest_idle().await;
                }
            }
            Ok(Turn::Paused) => {
                reason.note(control, "").await?;
                ear.shut(control).await?;
                context.rest_idle().await;
            }
            Ok(Turn::Waiting(why)) => {
                reason.note(control, &why).await?;
                ear.shut(control).await?;
                context.rest_idle().await;
                if known_versions_grew(url, &poster).await? {
                    return Ok(Reaction::Reopen);
                }
            }
            Err(error) => {
                let reaction = error.reaction();
                report(context, control, error, reaction).await;
                return Ok(reaction);
            }
        }
    }
    Ok(Reaction::Reopen)
}

async fn open(
    context: &Context,
    url: &DbUrl,
    control: &mut SqlControl,
    fence: i64,
) -> anyhow::Result<SqlPoster> {
    let journal = SqlJournal::open(url, Access::Write, "read journal").await?;
    anyhow::ensure!(
        journal.origin().site == context.site,
        "D0304: {url} is the database of site {}, and the configuration gives it to {}",
        journal.origin().site,
        context.site
    );
    // Read before the ledger opens: should a reshape come in between, the first transaction finds the difference.
    // The fence is the one taken: should another have taken over since, it finds that as well.
    let standing = Standing { fence, ..control.standing().await? };
    // Before the ledger: a release in between makes tables that this registry does not lead to yet, never the reverse.
    let registry = load_registry(url).await?;
    let ledger = SqlLedger::open(url, "post").await?.without_flush().await?;
    let mut settings = Settings {
        ask_every_micros: i64::try_from(context.config.look_every.as_micros() * ASKED_EVERY)
            .unwrap_or(i64::MAX),
        look_ahead: LookAhead::Beside,
        ..Settings::new(context.config.sites.keys().cloned().collect(), registry)
    };
    if url.dialect() != Dialect::Sqlite {
        settings.largest_batch.transactions = BATCH_TRANSACTIONS * BATCH_GROWTH_BESIDE_APPENDS;
    }
    let journal = Relay::new(journal, context.hand_over.clone());
    Ok(Poster::open(journal, ledger, WallClock, settings, standing).await?)
}

/// What is written down of where a poster's time goes.
struct Account {
    since: i64,
    noted: (u64, Instant),
}

impl Account {
    fn open() -> Self {
        Self { since: WallClock.now(), noted: (0, Instant::now()) }
    }

    /// Writes it down when there is something new and the last time is long enough ago.
    async fn note(
        &mut self,
        control: &mut SqlControl,
        poster: &SqlPoster,
        at_least: Duration,
    ) -> anyhow::Result<()> {
        let spent = poster.spent();
        let (transactions, at) = self.noted;
        if spent.transactions == transactions || at.elapsed() < at_least {
            return Ok(());
        }
        self.noted = (spent.transactions, Instant::now());
        Ok(control.note_spent(self.since, &spent).await?)
    }
}

/// Why something does not move, as it is written down for `status`.
#[derive(Default)]
struct Reason {
    noted: Option<String>,
    /// When it was last found to stand, beside other work or alone.
    found: Option<Instant>,
    asked: Option<Instant>,
}

impl Reason {
    /// Writes it down when it changes; empty when all moves.
    async fn note(&mut self, control: &mut SqlControl, why: &str) -> anyhow::Result<()> {
        self.found = (!why.is_empty()).then(Instant::now);
        if self.noted.as_deref() != Some(why) {
            control.note_waiting(why).await?;
            self.noted = Some(why.to_owned());
        }
        Ok(())
    }

    /// The same after a turn that did something else: not every one comes by what waits, so it stands for a while.
    async fn beside_work(&mut self, control: &mut SqlControl, why: Option<&str>) -> anyhow::Result<()> {
        match why {
            Some(why) => self.note(control, why).await,
            None if self.found.is_some_and(|found| found.elapsed() < STANDS) => Ok(()),
            None => self.note(control, "").await,
        }
    }

    /// Whether something waits, and it is time again to ask whether it still has to.
    fn is_to_be_asked(&mut self) -> bool {
        let due = self.found.is_some() && self.asked.is_none_or(|asked| asked.elapsed() >= STANDS);
        if due {
            self.asked = Some(Instant::now());
        }
        due
    }
}

/// A lane may wait for a schema version that has been released here since.
async fn known_versions_grew(url: &DbUrl, poster: &SqlPoster) -> anyhow::Result<bool> {
    let newest = |registry: &Registry| registry.set().newest().number();
    Ok(newest(&load_registry(url).await?) > newest(&poster.settings().registry))
}

async fn report(context: &Context, control: &mut SqlControl, error: PostError, reaction: Reaction) {
    let text = format!("{:#}", anyhow::Error::new(error));
    match reaction {
        Reaction::Reopen => tracing::info!(site = %context.site, error = text, "opening afresh"),
        Reaction::BackOff => tracing::warn!(site = %context.site, error = text, "trying again shortly"),
        Reaction::Stop => {
            tracing::error!(site = %context.site, error = text, "posting stops here until a person has looked");
            if let Err(error) = control.note_waiting(&format!("stopped: {text}")).await {
                tracing::error!(site = %context.site, %error, "could not write the reason down");
            }
        }
    }
}
