//! A vector of seals as text: `{"a/1":17,"b/2":3}`, as the column `seen` keeps it. Hashes do not cover this text but what
//! it says, so its spacing is free.

use std::collections::BTreeMap;

use crate::model::{Epoch, Origin, SealNr, SiteName, Vector};

/// The text of a vector, origins in order.
pub fn write(vector: &Vector) -> String {
    let named: BTreeMap<String, i64> =
        vector.iter().map(|(origin, seal_nr)| (origin.to_string(), seal_nr.0)).collect();
    serde_json::json!(named).to_string()
}

/// The vector of a text; `None` when it is no such text.
pub fn read(text: &str) -> Option<Vector> {
    let named: BTreeMap<String, i64> = serde_json::from_str(text).ok()?;
    named.into_iter().map(|(origin, seal_nr)| Some((read_origin(&origin)?, SealNr(seal_nr)))).collect()
}

fn read_origin(text: &str) -> Option<Origin> {
    let (site, epoch) = text.split_once('/')?;
    Some(Origin { site: SiteName::new(site).ok()?, epoch: Epoch(epoch.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_reads_back_from_its_text() {
        let vector = read(r#"{"b/2":3, "a/1":17}"#).unwrap();
        assert_eq!(write(&vector), r#"{"a/1":17,"b/2":3}"#);
        assert_eq!(read(&write(&vector)), Some(vector));
        assert_eq!(read("{}"), Some(Vector::new()));
        for bad in ["", "[]", r#"{"a":1}"#, r#"{"a/x":1}"#, r#"{"A/1":1}"#] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
