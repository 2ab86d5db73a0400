//! The ids of a site that goes: the others are told to hand out theirs above all of its, and a site that is added from one
//! of them begins there, too. So its stripe may be some other site's one day.

use journal_core::sql::{Access, Conn, DbUrl, SqlError};
use journal_core::store::sql::{ID_BLOCK, STRIPES, read_site, skip_id_blocks};

const ID_BLOCKS: &str = "SELECT sequence, next_block FROM {d}id_block ORDER BY sequence";

/// Tells the others how far the ids of a site were handed out. The same again changes nothing.
pub async fn hand_on(gone: &DbUrl, others: &[DbUrl]) -> Result<(), SqlError> {
    let mut conn = Conn::open(gone, Access::Read, "retire").await?;
    let blocks = conn.lend().fetch(ID_BLOCKS, Vec::new()).await?;
    conn.close().await;
    for other in others {
        let mut conn = Conn::open(other, Access::Write, "retire").await?;
        conn.begin().await?;
        let stripe = read_site(conn.lend()).await?.map_or(0, |site| site.stripe);
        for block in &blocks {
            let floor = block.i64(1)?.saturating_mul(STRIPES * ID_BLOCK);
            skip_id_blocks(conn.lend(), stripe, &block.text(0)?, floor).await?;
        }
        conn.commit().await?;
        conn.close().await;
    }
    Ok(())
}
