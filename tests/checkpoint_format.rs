//! The bytes of a checkpoint: what was written is read back, what is something else is refused, and nothing grows without bound.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A helper that fails is a test that fails.

mod core_support;

use ballast::checkpoint::{OBJECT_BYTES, RECORD_BYTES, Record, Unusable, from_text, open, record, seal, to_text};
use ballast::core::*;
use core_support::*;

const UID: &str = "6f2c41d0-0d7b-4f6e-9c1a-000000000001";

/// A memory after so many looks at a load that rises and falls, with moves; another one for each seed.
fn lived(looks: u32, signals: usize, seed: u32) -> Memory {
    let signal =
        |n| signal(SignalKind::External { metric: format!("queue_length_{n}"), selector: "app=web".into() }, Target::AverageValue(1000.0));
    let behavior =
        Behavior { up: rules(3600, Select::Max, &[(Amount::Pods(50), 1800)]), down: rules(3600, Select::Max, &[(Amount::Pods(50), 1800)]) };
    let policy = Policy {
        behavior: Some(behavior),
        smoothing: Smoothing::Smooth(SmoothParameters::default()),
        ..policy((0..signals).map(signal).collect())
    };
    let mut memory = Memory::default();
    for look in 0..looks {
        let now = at(u64::from(look)) + std::time::Duration::from_millis(u64::from((look + seed * 31) * 37 % 999));
        // Falls slowly, so that each look is a high of its own.
        let demand = f64::from(100_000 - look * 10 + (look + seed) % 7 * 900 + seed * 17 % 991);
        let readings = (0..signals).map(|_| Reading::Total(Sample { value: demand * 10.0, time: now, window: secs(30) })).collect();
        decide(&policy, &mut memory, &Observation { status_replicas: 50, ..observed(50, Vec::new(), readings) }, now);
        memory.rescaled(&policy, 50, 50 + look % 3, now);
        memory.rescaled(&policy, 50, 50 - look % 3, now);
    }
    memory
}

#[test]
fn what_was_sealed_is_opened() {
    let records: Vec<Record> = (0..5).map(|n| record(&format!("{UID}{n}"), at(u64::from(n)), &lived(n * 3, 2, n))).collect();
    assert_eq!(open(&seal(&records).unwrap()).unwrap(), records);
    assert_eq!(from_text(&to_text(&records[4]).unwrap()).unwrap(), records[4]);
    assert_eq!(open(&seal(&[]).unwrap()).unwrap(), []);
}

#[test]
fn a_memory_of_any_length_fits_and_keeps_its_extremes() {
    let memory = lived(3000, 3, 0);
    let fitted = record(UID, at(3000), &memory);
    assert_ne!(fitted.memory, memory);
    assert!(postcard::experimental::serialized_size(&fitted).unwrap() <= RECORD_BYTES);
    assert!(to_text(&fitted).unwrap().len() <= 2048);
}

#[test]
fn the_largest_object_holds_the_largest_records() {
    let records: Vec<Record> = (0..600).map(|n| record(&format!("{UID}{n}"), at(u64::from(n)), &lived(100, 3, n))).collect();
    let bytes = seal(&records).unwrap();
    println!("600 of the largest records: {} bytes", bytes.len());
    assert!(bytes.len() <= OBJECT_BYTES);
}

#[test]
fn an_everyday_memory_is_small() {
    let records: Vec<Record> = (0..500).map(|n| record(&format!("{UID}{n}"), at(u64::from(n)), &lived(3, 1, n))).collect();
    let each = seal(&records).unwrap().len() / 500;
    println!("{each} bytes per policy");
    assert!(each < 200, "{each}");
}

#[test]
fn anything_else_is_refused_with_its_reason() {
    let good = seal(&[record(UID, at(0), &lived(5, 1, 0))]).unwrap();
    assert_eq!(open(&[]).unwrap_err(), Unusable::Empty);
    assert_eq!(open(&[7, 1, 2]).unwrap_err().to_string(), "version 7 is unknown; this is version 4");
    for length in 1..good.len() {
        assert!(matches!(open(&good[..length]), Err(Unusable::Damaged(_))), "cut after {length}");
    }
    // The header of gzip holds a time and a system, which nobody checks.
    for (index, bit) in (11..good.len()).flat_map(|index| (0..8).map(move |bit| (index, bit))) {
        let mut bad = good.clone();
        bad[index] ^= 1 << bit;
        // The last bits of the data may be none.
        assert!(open(&bad).is_err() || open(&bad) == open(&good), "bit {bit} of byte {index}");
    }
    assert!(matches!(from_text("not base64!"), Err(Unusable::Damaged(_))));
}

/// A change of what is remembered is a change of the format: take the new bytes over only together with a new `VERSION`.
#[test]
fn the_layout_belongs_to_its_version() {
    // A constant load: no exponential function, whose last bit may differ between machines.
    let reading = |now| vec![Reading::Total(Sample { value: 7000.0, time: now, window: secs(30) })];
    let down = rules(300, Select::Max, &[(Amount::Pods(1), 60)]);
    let behavior = Some(Behavior { up: default_up(), down });
    let policy = Policy { behavior, smoothing: Smoothing::Smooth(SmoothParameters::default()), ..policy(vec![per_replica()]) };
    let mut memory = Memory::default();
    let writer = Writer::Manager { name: "kubectl".into(), way: Way::Scale };
    for (look, size, writer) in [(0, 9, None), (15, 7, Some(writer))] {
        let now = at(look);
        decide(&policy, &mut memory, &Observation { status_replicas: size, writer, ..observed(size, Vec::new(), reading(now)) }, now);
        memory.rescaled(&policy, size, 8, now);
    }
    let plain = postcard::to_allocvec(&record("u", at(20), &memory)).unwrap();
    let hex = plain.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(
        hex,
        "0175c0e0d8b907010280a8d6b90709b092d8b9070701b092d8b90707000001b092d8b90701000180a8d6b90701000180a8d6b90700000001040c71756575655f6c656e6774680000b092d8b907808080808080d6dd40000087010080a8d6b907808080808080d6dd4080a8d6b907808080808080d6dd4080a8d6b907808080808080d6dd4080a8d6b907808080808080d6dd4080a8d6b907808080808080d6dd4080a8d6b907808080808080d6dd4080a8d6b907808080808080d6dd4080a8d6b907808080808080d6dd40b092d8b907808080808080d6dd4001b092d8b907808080808080d6dd4001b092d8b907808080808080d6dd4000000000000000080100076b75626563746c0201b092d8b90701b092d8b907"
    );
}
