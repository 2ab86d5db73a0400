//! The control state in the ledger's own database. Row locks make the promises: posting transactions share-lock the
//! control row and key-share-lock the lease, so a pause and a takeover wait for them, while a sign of life does not.

use journal_core::model::TransactionId;
use journal_core::sql::{Access, Conn, ConnRef, DbUrl, Dialect, Param, SqlClass, SqlError};
use journal_core::store::sql::listen_to_appends;

use super::adding;
use super::spent::Spent;
use super::standing::{read_control, read_lease, read_standing};
use super::text::{self, STANDING};
use super::{Control, ControlStore, Desired, Lease, Standing};
use crate::ledger::{Asked, LedgerError};

pub(crate) const LOCK_CONTROL: &str =
    "SELECT generation, desired, who, why, since FROM {d}control{for_update}";
const SWITCH_BEGUN: &str = "SELECT 1 FROM {d}switching";
const NOTE_SPENT: &str = "UPDATE {d}spent SET since = $1, transactions = $2, reading = $3, preparing = $4, \
     applying = $5, committing = $6";

/// The database's clock in microseconds since 1970, as an expression. For people: it decides nothing.
pub(crate) fn now(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        Dialect::Postgres => "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)",
        Dialect::MariaDb => "CAST(unix_timestamp(now(6)) * 1000000 AS SIGNED)",
    }
}

/// Puts on record who did what, in the open transaction.
pub async fn record_action(mut conn: ConnRef<'_>, who: &str, what: &str, why: &str) -> Result<(), SqlError> {
    let now = now(conn.dialect());
    let template = format!("INSERT INTO {{d}}action (done_at, who, what, why) VALUES ({now}, $1, $2, $3)");
    conn.execute(&template, vec![who.into(), what.into(), why.into()]).await.map(|_| ())
}

/// The control state over a connection of its own. A connection in doubt is dropped; the next call opens another.
#[derive(Debug)]
pub struct SqlControl {
    url: DbUrl,
    /// Taken out while a call works on it, so that a call that does not come to its end leaves none behind.
    conn: Option<Conn>,
}

impl SqlControl {
    /// Opens the control state of a site. A SQLite file that is not there is not created.
    pub async fn open(url: &DbUrl) -> Result<Self, LedgerError> {
        let mut control = Self { url: url.clone(), conn: None };
        control.conn = Some(control.connection().await?);
        Ok(control)
    }

    /// Says whether this site's poster wants to be told of appends.
    pub async fn listen_to_appends(&mut self, told: bool) -> Result<(), LedgerError> {
        let mut conn = self.connection().await?;
        listen_to_appends(conn.lend(), told).await?;
        self.conn = Some(conn);
        Ok(())
    }

    async fn connection(&mut self) -> Result<Conn, SqlError> {
        match self.conn.take() {
            Some(conn) => Ok(conn),
            None => Conn::open(&self.url, Access::Write, "control").await,
        }
    }

    /// Commits what went well, rolls back what did not, and keeps the connection only when it is known to be clean.
    async fn finish<T>(&mut self, mut conn: Conn, work: Result<T, LedgerError>) -> Result<T, LedgerError> {
        let ended = match &work {
            Ok(_) => conn.commit().await,
            Err(_) => conn.rollback().await,
        };
        match (work, ended) {
            (Ok(done), Ok(())) => {
                self.conn = Some(conn);
                Ok(done)
            }
            (Ok(_), Err(error)) => Err(error.into()),
            (Err(error), ended) => {
                self.conn = ended.is_ok().then_some(conn);
                Err(error)
            }
        }
    }

    async fn desire(&mut self, desired: Desired, who: &str, why: &str) -> Result<Control, LedgerError> {
        let mut conn = self.connection().await?;
        conn.begin().await?;
        let changed = desire_in(conn.lend(), desired, who, why).await;
        self.finish(conn, changed).await
    }

    /// A lock wait that was given up, told with the sessions in the way.
    async fn not_paused(&mut self, error: SqlError) -> Result<LedgerError, SqlError> {
        let mut names = Vec::new();
        if let Some(sessions) = text::posting_sessions(self.url.dialect()) {
            let mut conn = self.connection().await?;
            for session in &conn.lend().fetch(sessions, Vec::new()).await? {
                names.push(format!("pid {} {}", session.i64(0)?, session.text(1)?).trim_end().to_owned());
            }
            self.conn = Some(conn);
        }
        let who = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
        let message = format!("not paused: a posting transaction is still running{who}, ask again");
        Ok(LedgerError::Store(SqlError { message, ..error }))
    }
}

/// Insists that the tables do not change places, and that this does not begin before the caller's transaction has ended.
pub(crate) async fn insist_no_switch(mut conn: ConnRef<'_>) -> Result<(), LedgerError> {
    if conn.dialect() == Dialect::MariaDb {
        conn.fetch_optional(LOCK_CONTROL, Vec::new()).await?;
        if switch_begun(conn).await? {
            return Err(LedgerError::SwitchBegun);
        }
    }
    Ok(())
}

/// Whether the tables change places at a site: it has begun and is not over, here or in a process that is gone. Only on
/// MariaDB, where that is more than one transaction.
pub(crate) async fn switch_begun(mut conn: ConnRef<'_>) -> Result<bool, SqlError> {
    match conn.dialect() {
        Dialect::Sqlite | Dialect::Postgres => Ok(false),
        Dialect::MariaDb => Ok(conn.fetch_optional(SWITCH_BEGUN, Vec::new()).await?.is_some()),
    }
}

async fn desire_in(
    mut conn: ConnRef<'_>,
    desired: Desired,
    who: &str,
    why: &str,
) -> Result<Control, LedgerError> {
    // The exclusive lock comes before the look: what is desired now cannot change under it, and posting under way has
    // ended.
    let have = read_control(&conn.fetch_one(LOCK_CONTROL, Vec::new()).await?)?;
    if have.desired == desired {
        return Ok(have);
    }
    if desired == Desired::Running {
        insist_no_switch(conn.lend()).await?;
    }
    if desired == Desired::Running
        && let Some(from) = adding::source(conn.lend()).await?
    {
        let message =
            format!("the site is being added from {from} and is not whole yet; nothing can be posted to it");
        return Err(LedgerError::Damaged(message));
    }
    let (word, action) = match desired {
        Desired::Running => ("running", "resume"),
        Desired::Paused => ("paused", "pause"),
    };
    let now = now(conn.dialect());
    let template = format!(
        "UPDATE {{d}}control SET generation = generation + 1, desired = $1, who = $2, why = $3, since = {now}"
    );
    conn.execute(&template, vec![word.into(), who.into(), why.into()]).await?;
    let record = conn.fetch_one(LOCK_CONTROL, Vec::new()).await?;
    record_action(conn, who, action, why).await?;
    read_control(&record)
}

impl SqlControl {
    /// Writes down where the time of a poster went that was opened at `since`, in microseconds since 1970.
    pub async fn note_spent(&mut self, since: i64, spent: &Spent) -> Result<(), LedgerError> {
        let mut conn = self.connection().await?;
        conn.begin().await?;
        let transactions = i64::try_from(spent.transactions).unwrap_or(i64::MAX);
        let params = [since, transactions, spent.reading, spent.preparing, spent.applying, spent.committing];
        let params = params.map(Param::from).to_vec();
        let noted = conn.lend().execute(NOTE_SPENT, params).await;
        self.finish(conn, noted.map(|_| ()).map_err(Into::into)).await
    }
}

impl ControlStore for SqlControl {
    async fn standing(&mut self) -> Result<Standing, LedgerError> {
        let mut conn = self.connection().await?;
        let stood = read_standing(&mut conn.lend(), STANDING).await?;
        self.conn = Some(conn);
        Ok(stood.standing)
    }

    async fn pause(&mut self, who: &str, why: &str) -> Result<Control, LedgerError> {
        match self.desire(Desired::Paused, who, why).await {
            Err(LedgerError::Store(error)) if error.class == SqlClass::Transient => {
                Err(self.not_paused(error).await?)
            }
            other => other,
        }
    }

    async fn resume(&mut self, who: &str, why: &str) -> Result<Control, LedgerError> {
        self.desire(Desired::Running, who, why).await
    }

    async fn lease(&mut self) -> Result<Lease, LedgerError> {
        let mut conn = self.connection().await?;
        let lease = read_lease(&conn.lend().fetch_one(text::lease(self.url.dialect()), Vec::new()).await?)?;
        self.conn = Some(conn);
        Ok(lease)
    }

    async fn take_lease(&mut self, seen: &Lease, holder: &str) -> Result<Option<Lease>, LedgerError> {
        let mut conn = self.connection().await?;
        conn.begin().await?;
        let taken = take_lease_in(conn.lend(), seen, holder).await;
        self.finish(conn, taken).await
    }

    async fn beat(&mut self, fence: i64) -> Result<bool, LedgerError> {
        let mut conn = self.connection().await?;
        conn.begin().await?;
        let beaten = conn.lend().execute(text::beat(self.url.dialect()), vec![fence.into()]).await;
        self.finish(conn, beaten.map(|rows| rows == 1).map_err(Into::into)).await
    }

    async fn release_lease(&mut self, fence: i64) -> Result<(), LedgerError> {
        let mut conn = self.connection().await?;
        conn.begin().await?;
        let released = conn.lend().execute(text::release_lease(self.url.dialect()), vec![fence.into()]).await;
        self.finish(conn, released.map(|_| ()).map_err(Into::into)).await
    }

    async fn ask(
        &mut self,
        id: &TransactionId,
        asked: Asked,
        who: &str,
        why: &str,
    ) -> Result<bool, LedgerError> {
        let mut conn = self.connection().await?;
        conn.begin().await?;
        let asked = ask_in(conn.lend(), id, asked, who, why).await;
        self.finish(conn, asked.map_err(Into::into)).await
    }

    async fn note_waiting(&mut self, reason: &str) -> Result<(), LedgerError> {
        let mut conn = self.connection().await?;
        conn.begin().await?;
        // `since` tells how long it has been this reason, so the same one again changes nothing.
        let now = now(conn.dialect());
        let template = format!("UPDATE {{d}}waiting SET reason = $1, since = {now} WHERE reason <> $1");
        let noted = conn.lend().execute(&template, vec![reason.into()]).await;
        self.finish(conn, noted.map(|_| ()).map_err(Into::into)).await
    }
}

async fn take_lease_in(
    mut conn: ConnRef<'_>,
    seen: &Lease,
    holder: &str,
) -> Result<Option<Lease>, LedgerError> {
    // FOR UPDATE waits for the holder's posting transaction; what it committed is there before the new fence is.
    let dialect = conn.dialect();
    let locked = format!("{}{{for_update}}", text::lease(dialect));
    let have = read_lease(&conn.fetch_one(&locked, Vec::new()).await?)?;
    if have != *seen {
        return Ok(None);
    }
    let lease = Lease { fence: have.fence + 1, holder: holder.to_owned(), beat: have.beat + 1 };
    let params = vec![lease.fence.into(), holder.into(), Param::from(lease.beat)];
    conn.execute(text::take_lease(dialect), params).await?;
    Ok(Some(lease))
}

async fn ask_in(
    mut conn: ConnRef<'_>,
    id: &TransactionId,
    asked: Asked,
    who: &str,
    why: &str,
) -> Result<bool, SqlError> {
    let action = asked.action();
    let now = now(conn.dialect());
    let template = format!(
        "UPDATE {{d}}quarantine SET state = $4, who = $5, why = $6, since = {now} \
         WHERE origin = $1 AND epoch = $2 AND trans_nr = $3 AND state IN ('held', 'retry', 'discard')"
    );
    let params = vec![
        id.origin.site.as_str().into(),
        id.origin.epoch.0.into(),
        id.trans_nr.0.into(),
        asked.state().into(),
        who.into(),
        Param::from(why),
    ];
    match conn.execute(&template, params).await? {
        0 => Ok(false),
        1 => record_action(conn, who, &format!("{action} {id}"), why).await.map(|()| true),
        rows => Err(SqlError::new(SqlClass::Broken, format!("{rows} rows in quarantine are {id}"))),
    }
}
