//! Reading JSON piece by piece, without keeping what nobody asked for.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::SmallVec;

/// One value of a document: it takes the form it expects and passes over every other, so that one odd entry does not spoil the rest.
pub trait Part: Sized {
    /// A text, or a number as text.
    fn text(&mut self, _: &str) {}

    /// A field of an object; its value must be read.
    fn field<'de, A: MapAccess<'de>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        map.next_value::<IgnoredAny>().map(drop)
    }

    /// The next element of an array, until there is none.
    fn element<'de, A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        array.next_element::<IgnoredAny>().map(|element| element.is_some())
    }
}

/// Reads a [`Part`].
pub struct Take<P>(pub P);

impl<'de, P: Part> DeserializeSeed<'de> for Take<P> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, P: Part> Visitor<'de> for Take<P> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut key = Key::default();
        while map.next_key_seed(Take(&mut key))?.is_some() {
            self.0.field(std::str::from_utf8(&key.0).unwrap_or_default(), &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
        while self.0.element(&mut array)? {}
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.0.text(text);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A field's name. There are a handful per entry, so they have room in place.
#[derive(Default)]
struct Key(SmallVec<[u8; 32]>);

impl Part for &mut Key {
    fn text(&mut self, text: &str) {
        self.0.clear();
        self.0.extend_from_slice(text.as_bytes());
    }
}

/// A text into a buffer that has been used before.
pub struct Text<'a>(pub &'a mut String);

impl Part for Text<'_> {
    fn text(&mut self, text: &str) {
        self.0.clear();
        self.0.push_str(text);
    }
}
