//! Many rows written by few statements of few sizes.

use super::text::{CHUNKS, Inserts};

/// Bytes of rows that one statement carries, unless a single row is more: below what servers take by default, and small
/// beside a process's memory.
const STATEMENT_BYTES: usize = 8 * 1024 * 1024;

/// Cuts rows into pieces of the prepared sizes, the largest first, each with the text that takes it.
pub(super) fn chunked<'r, T>(
    mut rows: &'r [T],
    templates: &'static Inserts,
    bytes: impl Fn(&T) -> usize,
) -> impl Iterator<Item = (&'r [T], &'static str)> {
    std::iter::from_fn(move || {
        let mut carried: usize = 0;
        let fit = rows.iter().take(CHUNKS[0]).take_while(|row| {
            carried = carried.saturating_add(bytes(row));
            carried <= STATEMENT_BYTES
        });
        let fit = fit.count().max(1).min(rows.len());
        let at = CHUNKS.iter().position(|size| *size <= fit)?;
        let (chunk, rest) = rows.split_at(CHUNKS[at]);
        rows = rest;
        Some((chunk, templates[at].as_str()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::text::INSERT_ENTRIES;

    fn sizes(rows: &[usize]) -> Vec<usize> {
        let chunks: Vec<&[usize]> =
            chunked(rows, &INSERT_ENTRIES, |row| *row).map(|(chunk, _)| chunk).collect();
        assert_eq!(chunks.concat(), rows);
        chunks.iter().map(|chunk| chunk.len()).collect()
    }

    #[test]
    fn rows_go_in_few_sizes_and_large_ones_apart() {
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[1; 343]), [256, 64, 16, 4, 1, 1, 1]);
        assert_eq!(sizes(&[STATEMENT_BYTES / 4; 6]), [4, 1, 1]);
        assert_eq!(sizes(&[1, STATEMENT_BYTES * 2, 1]), [1, 1, 1]);
    }
}
