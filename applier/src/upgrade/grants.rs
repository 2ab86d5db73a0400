//! Rights on tables and views in PostgreSQL, which hang on the object and not on its name: read before a switch, given
//! again after it, so that an application which reads under a role of its own goes on. SQLite has none; MariaDB's hang on names.

use journal_core::sql::{ConnRef, Dialect, SqlError};

/// Rights that others than the owner have on the ledger's tables and Daybook's views: where, and the statement.
const GRANTED: &str = "SELECT format('%I.%I', n.nspname, c.relname), format('GRANT %s ON %I.%I TO %s%s', \
     a.privilege_type, n.nspname, c.relname, \
     CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, \
     CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a \
     WHERE a.grantee <> c.relowner AND ((n.nspname ~ '^v[0-9]+$' AND c.relkind = 'v') \
     OR (n.nspname = current_schema() AND c.relkind IN ('r', 'p'))) ORDER BY 2";
const STANDS: &str = "SELECT to_regclass($1) IS NOT NULL";

/// A right, and the object it is on.
#[derive(Debug)]
pub(super) struct Grant {
    object: String,
    statement: String,
}

/// What is granted now.
pub(super) async fn read(mut conn: ConnRef<'_>) -> Result<Vec<Grant>, SqlError> {
    if conn.dialect() != Dialect::Postgres {
        return Ok(Vec::new());
    }
    let records = conn.fetch(GRANTED, Vec::new()).await?;
    let grant = |record: &journal_core::sql::Record| {
        Ok(Grant { object: record.text(0)?, statement: record.text(1)? })
    };
    records.iter().map(grant).collect()
}

/// Grants it again wherever an object of that name stands.
pub(super) async fn restore(mut conn: ConnRef<'_>, grants: &[Grant]) -> Result<(), SqlError> {
    for grant in grants {
        if conn.fetch_one(STANDS, vec![grant.object.as_str().into()]).await?.bool(0)? {
            conn.ddl(&grant.statement).await?;
        }
    }
    Ok(())
}
