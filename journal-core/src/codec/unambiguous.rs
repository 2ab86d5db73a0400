//! JSON texts that mean one thing: no object in them names a member twice. Of two the parser keeps the last and says nothing,
//! and what somebody wrote would be gone.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value as Json;

/// Reads a text, unless a name stands twice in an object of it.
pub(super) fn read(text: &str) -> Result<Json, serde_json::Error> {
    serde_json::from_str::<NamedOnce>(text)?;
    serde_json::from_str(text)
}

/// Any JSON, looked through and not kept.
struct NamedOnce;

impl<'de> Deserialize<'de> for NamedOnce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = NamedOnce;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<NamedOnce, E> {
        Ok(NamedOnce)
    }

    fn visit_bool<E>(self, _: bool) -> Result<NamedOnce, E> {
        Ok(NamedOnce)
    }

    fn visit_i64<E>(self, _: i64) -> Result<NamedOnce, E> {
        Ok(NamedOnce)
    }

    fn visit_u64<E>(self, _: u64) -> Result<NamedOnce, E> {
        Ok(NamedOnce)
    }

    fn visit_f64<E>(self, _: f64) -> Result<NamedOnce, E> {
        Ok(NamedOnce)
    }

    fn visit_str<E>(self, _: &str) -> Result<NamedOnce, E> {
        Ok(NamedOnce)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<NamedOnce, A::Error> {
        while elements.next_element::<NamedOnce>()?.is_some() {}
        Ok(NamedOnce)
    }

    /// Numbers come here too, as an object of one member: the parser keeps their digits so.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<NamedOnce, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value::<NamedOnce>()?;
            if let Some(twice) = names.replace(name) {
                return Err(de::Error::custom(format!("an object names {twice:?} twice")));
            }
        }
        Ok(NamedOnce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_in_one_object_is_refused_wherever_it_is() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":{"c":[0,{"a":1,"x":2,"a":3}]}}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"":1,"":2}]"#,
        ] {
            let refused = read(text).unwrap_err().to_string();
            assert!(refused.contains("twice"), "{text}: {refused}");
        }
    }

    #[test]
    fn all_other_json_is_read_as_it_is() {
        for text in [
            r#"{"a":{"a":{"A":1}},"b":[{"a":1},{"a":2}]}"#,
            "[1.0,12345678901234567890.12345678901234567890,1e+400,-0,true,false,null,\"\"]",
            "7",
            "{}",
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        for text in ["", "{", "[1,]", "1 2", "\"\\ud800\""] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
