//! What does an event look like? A number that equal events share, in whatever order their objects
//! name their members. Imports nothing of the crate.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Makes prints. Keyed at random, so that nobody can make different events share one.
#[derive(Debug, Default)]
pub(super) struct Printer(RandomState);

impl Printer {
    /// The print of an event with this name and the JSON text of its data.
    pub(super) fn print(&self, name: &str, data: &str) -> u64 {
        let mut parser = serde_json::Deserializer::from_str(data);
        let value = Value(&self.0).deserialize(&mut parser);
        match value.and_then(|print| parser.end().map(|()| print)) {
            Ok(print) => self.0.hash_one((name, print)),
            // Too deep, or no JSON: letter by letter.
            Err(_) => self.0.hash_one((name, data)),
        }
    }
}

/// Any JSON value, read as its print.
#[derive(Clone, Copy)]
struct Value<'a>(&'a RandomState);

/// Tells a list from an object with the same prints, and so on.
#[derive(Clone, Copy, Hash)]
enum Kind {
    Bool,
    Float,
    List,
    Null,
    Object,
    Signed,
    Text,
    Unsigned,
}

impl Value<'_> {
    fn hash(self, kind: Kind, value: impl Hash) -> u64 {
        let mut hasher = self.0.build_hasher();
        kind.hash(&mut hasher);
        value.hash(&mut hasher);
        hasher.finish()
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        Ok(self.hash(Kind::Bool, value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        Ok(self.hash(Kind::Signed, value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        Ok(self.hash(Kind::Unsigned, value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        Ok(self.hash(Kind::Float, value.to_bits()))
    }

    fn visit_str<E>(self, value: &str) -> Result<u64, E> {
        Ok(self.hash(Kind::Text, value))
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(self.hash(Kind::Null, ()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut print = 0;
        while let Some(value) = list.next_element_seed(self)? {
            print = self.hash(Kind::List, (print, value));
        }
        Ok(self.hash(Kind::List, print))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<u64, A::Error> {
        let mut sum = 0u64;
        while let Some(name) = object.next_key_seed(self)? {
            let value = object.next_value_seed(self)?;
            // A sum is the same in any order.
            sum = sum.wrapping_add(self.hash(Kind::Object, (name, value)));
        }
        Ok(self.hash(Kind::Object, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::Printer;

    #[test]
    fn the_order_of_members_and_space_do_not_matter() {
        let printer = Printer::default();
        let one = printer.print("A", r#"{"id":"1","on":true,"in":{"x":[1,2.5],"y":null}}"#);
        let other = printer.print(
            "A",
            r#"{ "in":{"y":null,"x":[1, 2.5]}, "on":true, "id":"1" }"#,
        );
        assert_eq!(one, other);
    }

    #[test]
    fn whatever_else_differs_makes_another_print() {
        let printer = Printer::default();
        let deep = "[".repeat(300) + &"]".repeat(300);
        let deeper = "[".repeat(301) + &"]".repeat(301);
        let all = [
            "null",
            "0",
            "0.0",
            "-1",
            "\"0\"",
            "true",
            "false",
            "[]",
            "{}",
            "[[]]",
            "[0,1]",
            "[1,0]",
            "[[0],1]",
            r#"{"a":1,"b":2}"#,
            r#"{"a":2,"b":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"b":{"a":1}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":1,"a":1}"#,
            "",
            "{",
            "[0,1]]",
            &deep,
            &deeper,
        ];
        let mut prints: Vec<_> = all.iter().map(|data| printer.print("A", data)).collect();
        prints.push(printer.print("B", "null"));
        let count = prints.len();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), count);
    }
}
