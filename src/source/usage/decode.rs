//! A list of pod metrics, read as it comes: one entry at a time, and of each only what was asked for.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::json::{Part, Take, Text};
use super::wanted::{Listed, Measured, Wanted};
use crate::api::quantity;
use crate::core::Time;
use crate::source::samples::{DEFAULT_WINDOW, go_duration, time};

/// Largest entry that is read: one text may be as long, and has to be in memory. A pod of a hundred containers has about 20 KiB.
const ENTRY_LIMIT: usize = 1 << 20;
const BUFFER: usize = 64 << 10;

/// Reads a list to its end: of the cluster, or of a namespace, to which all of its entries belong then.
pub fn decode(body: impl Read, namespace: Option<Arc<str>>, wanted: Arc<Wanted>) -> Result<Listed, String> {
    let left = Rc::new(Cell::new(ENTRY_LIMIT));
    let body = BufReader::with_capacity(BUFFER, Limited { body, left: Rc::clone(&left) });
    let mut json = serde_json::Deserializer::from_reader(body);
    let mut reading = Reading { listed: Listed::new(wanted), namespace, left, entry: Entry::default(), has_items: false };
    let read = Take(List(&mut reading)).deserialize(&mut json).and_then(|()| json.end());
    match read {
        Err(error) => Err(error.to_string()),
        Ok(()) if !reading.has_items => Err("it has no items".to_owned()),
        Ok(()) => Ok(reading.listed),
    }
}

/// A body of which no entry is too large.
struct Limited<R> {
    body: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The reader comes again after an error, to see the end of what it is in.
        let too_large = || io::Error::other(format!("an entry is larger than {} KiB", ENTRY_LIMIT >> 10));
        if self.left.get() == 0 {
            return Err(too_large());
        }
        let count = self.body.read(buffer)?;
        let left = self.left.get().checked_sub(count);
        self.left.set(left.unwrap_or_default());
        left.map(|_| count).ok_or_else(too_large)
    }
}

/// A list that is being read.
struct Reading {
    listed: Listed,
    namespace: Option<Arc<str>>,
    left: Rc<Cell<usize>>,
    entry: Entry,
    has_items: bool,
}

/// The entry that is being read. Its buffers serve every entry.
#[derive(Default)]
struct Entry {
    namespace: String,
    name: String,
    time: Option<Time>,
    window: Option<Duration>,
    /// Name of a container, and where its usage ends in `usage`.
    containers: Vec<(String, usize)>,
    /// Resource, and how much, as it was written: most is not asked for.
    usage: Vec<(String, String)>,
    /// How many of both are of this entry.
    used: (usize, usize),
}

// === impl Entry ===

impl Entry {
    fn clear(&mut self) {
        self.namespace.clear();
        self.name.clear();
        (self.time, self.window, self.used) = (None, None, (0, 0));
    }

    /// Usage of the named container, else of all; unknown unless each of them reports the resource.
    fn value(&self, resource: &str, container: Option<&str>) -> Option<i64> {
        let containers = &self.containers[..self.used.0];
        let start = |place: usize| place.checked_sub(1).map_or(0, |before| containers[before].1);
        let milli = |place: usize| {
            let usage = &self.usage[start(place)..containers[place].1];
            usage.iter().find(|(name, _)| name == resource).and_then(|(_, text)| quantity::milli(text).ok())
        };
        match container {
            Some(wanted) => milli(containers.iter().position(|(name, _)| name == wanted)?),
            None if containers.is_empty() => None,
            None => (0..containers.len()).map(milli).try_fold(0_i64, |sum, next| Some(sum.saturating_add(next?))),
        }
    }
}

/// The next of a row of buffers.
fn buffer<T: Default>(row: &mut Vec<(String, T)>, used: &mut usize) -> usize {
    if *used == row.len() {
        row.push((String::new(), T::default()));
    }
    *used += 1;
    row[*used - 1].0.clear();
    *used - 1
}

struct List<'a>(&'a mut Reading);

impl Part for List<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if key != "items" {
            return map.next_value::<serde::de::IgnoredAny>().map(drop);
        }
        self.0.has_items = true;
        map.next_value_seed(Take(Items(self.0)))
    }
}

struct Items<'a>(&'a mut Reading);

impl Part for Items<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        let Reading { listed, namespace, left, entry, .. } = &mut *self.0;
        left.set(ENTRY_LIMIT);
        entry.clear();
        if array.next_element_seed(Take(Pod(entry)))?.is_none() {
            return Ok(false);
        }
        let (namespace, pod, time) = (namespace.as_deref().unwrap_or(&entry.namespace), &*entry.name, entry.time);
        let window = entry.window.unwrap_or(DEFAULT_WINDOW);
        let value = |resource: &str, container: Option<&str>| entry.value(resource, container);
        listed.take(&Measured { namespace, pod, time, window, value });
        Ok(true)
    }
}

struct Pod<'a>(&'a mut Entry);

impl Part for Pod<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "metadata" => map.next_value_seed(Take(Metadata(self.0))),
            "timestamp" => map.next_value_seed(Take(Parse(&mut self.0.time, time))),
            "window" => map.next_value_seed(Take(Parse(&mut self.0.window, go_duration))),
            "containers" => map.next_value_seed(Take(Containers(self.0))),
            _ => map.next_value::<serde::de::IgnoredAny>().map(drop),
        }
    }
}

struct Metadata<'a>(&'a mut Entry);

impl Part for Metadata<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => map.next_value_seed(Take(Text(&mut self.0.name))),
            "namespace" => map.next_value_seed(Take(Text(&mut self.0.namespace))),
            _ => map.next_value::<serde::de::IgnoredAny>().map(drop),
        }
    }
}

struct Containers<'a>(&'a mut Entry);

impl Part for Containers<'_> {
    fn element<'de, A: SeqAccess<'de>>(&mut self, array: &mut A) -> Result<bool, A::Error> {
        let place = buffer(&mut self.0.containers, &mut self.0.used.0);
        let found = array.next_element_seed(Take(Container(self.0, place)))?.is_some();
        if found {
            self.0.containers[place].1 = self.0.used.1;
        } else {
            self.0.used.0 -= 1;
        }
        Ok(found)
    }
}

struct Container<'a>(&'a mut Entry, usize);

impl Part for Container<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "name" => map.next_value_seed(Take(Text(&mut self.0.containers[self.1].0))),
            "usage" => map.next_value_seed(Take(Usage(self.0))),
            _ => map.next_value::<serde::de::IgnoredAny>().map(drop),
        }
    }
}

struct Usage<'a>(&'a mut Entry);

impl Part for Usage<'_> {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let place = buffer(&mut self.0.usage, &mut self.0.used.1);
        let (name, text) = &mut self.0.usage[place];
        name.push_str(key);
        text.clear();
        map.next_value_seed(Take(Text(text)))
    }
}

/// A text that means something, or nothing.
struct Parse<'a, T>(&'a mut Option<T>, fn(&str) -> Option<T>);

impl<T> Part for Parse<'_, T> {
    fn text(&mut self, text: &str) {
        *self.0 = self.1(text);
    }
}
