//! Blocks of ids, striped so that no two sites of a group hand out the same id, whatever they know of each other.

use crate::sql::{ConnRef, Dialect, Param, SqlClass, SqlError};

use super::site::STRIPES;
use super::text;

/// Ids of a block. Large enough that a busy application takes one every few hundred inserts, small enough that what a
/// restart throws away does not matter.
pub const ID_BLOCK: i64 = 1000;

/// The ids of a site's `block`-th block: first and last.
fn ids(stripe: i64, block: i64) -> Option<(i64, i64)> {
    let before = block.checked_mul(STRIPES)?.checked_add(stripe)?.checked_mul(ID_BLOCK)?;
    Some((before.checked_add(1)?, before.checked_add(ID_BLOCK)?))
}

/// Takes the next block of a sequence for good: first and last id. In a database transaction of its own or the
/// caller's; what a crash or a lost answer leaves unused is never handed out again.
pub async fn take_id_block(
    mut conn: ConnRef<'_>,
    stripe: i64,
    sequence: &str,
) -> Result<(i64, i64), SqlError> {
    let params = vec![sequence.into()];
    let block = match conn.dialect() {
        Dialect::MariaDb => conn.execute_for_number(text::TAKE_ID_BLOCK_MARIADB, params).await?.1 - 1,
        Dialect::Sqlite | Dialect::Postgres => conn.fetch_one(text::TAKE_ID_BLOCK, params).await?.i64(0)?,
    };
    ids(stripe, block).ok_or_else(|| exhausted(sequence))
}

/// Makes every later block of a sequence begin above `floor`: for a table that has rows already. Never goes back.
pub async fn skip_id_blocks(
    mut conn: ConnRef<'_>,
    stripe: i64,
    sequence: &str,
    floor: i64,
) -> Result<(), SqlError> {
    let block = first_block_above(stripe, floor);
    if ids(stripe, block).is_none() {
        return Err(exhausted(sequence));
    }
    let template = match conn.dialect() {
        Dialect::MariaDb => text::SKIP_ID_BLOCKS_MARIADB,
        Dialect::Sqlite | Dialect::Postgres => text::SKIP_ID_BLOCKS,
    };
    conn.execute(template, vec![sequence.into(), Param::from(block)]).await?;
    Ok(())
}

/// The first block of a stripe whose ids are all above `floor`.
fn first_block_above(stripe: i64, floor: i64) -> i64 {
    let beyond = floor.saturating_sub(stripe * ID_BLOCK).max(0);
    let round = STRIPES * ID_BLOCK;
    beyond / round + i64::from(beyond % round != 0)
}

fn exhausted(sequence: &str) -> SqlError {
    SqlError::new(SqlClass::Data, format!("sequence {sequence:?} has no ids left in 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_of_all_stripes_fill_the_numbers_without_overlap() {
        let mut all: Vec<(i64, i64)> =
            (0..STRIPES).flat_map(|stripe| (0..4).map(move |block| ids(stripe, block).unwrap())).collect();
        all.sort_unstable();
        assert_eq!(all[0].0, 1);
        assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{all:?}");
        assert_eq!(ids(0, i64::MAX / STRIPES), None);
    }

    #[test]
    fn the_first_block_above_a_floor_is_the_first_one_above_it() {
        for stripe in [0, 1, 7, STRIPES - 1] {
            for floor in [-5, 0, 1, 999, 1000, 1001, 16_000, 16_001, 17_000, 17_001, 123_456] {
                let block = first_block_above(stripe, floor);
                assert!(ids(stripe, block).unwrap().0 > floor, "stripe {stripe}, floor {floor}");
                assert!(
                    block == 0 || ids(stripe, block - 1).unwrap().0 <= floor,
                    "stripe {stripe}, floor {floor}"
                );
            }
        }
    }
}
