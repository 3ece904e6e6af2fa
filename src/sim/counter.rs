//! What can be measured of the cluster: counters, as a metrics pipeline would read them.

/// A counter that grows by one value a second, readable for the last [`HISTORY`] seconds.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Sum up to each second, by second modulo [`HISTORY`].
    sums: Vec<f64>,
    /// Seconds counted.
    now: u64,
    /// What is assumed of each second before the start.
    before: f64,
}

/// Seconds that can be looked back: above the age, window and scrape interval of any sensible pipeline.
pub const HISTORY: u64 = 1024;

impl Counter {
    /// A counter that has always grown by `before` a second.
    pub fn new(before: f64) -> Self {
        Self { sums: vec![0.0; index(HISTORY - 1) + 1], now: 0, before }
    }

    /// A second passes.
    pub fn count(&mut self, value: f64) {
        let sum = self.sums[index(self.now)] + value;
        self.now += 1;
        self.sums[index(self.now)] = sum;
    }

    /// Mean growth per second from one second to another, the end excluded. Both are at most now, and at least now less [`HISTORY`].
    pub fn rate(&self, from: i64, to: i64) -> f64 {
        if to <= from { 0.0 } else { (self.sum(to) - self.sum(from)) / (to - from) as f64 }
    }

    fn sum(&self, second: i64) -> f64 {
        match u64::try_from(second) {
            Ok(second) => self.sums[index(second)],
            Err(_) => second as f64 * self.before,
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // Below HISTORY.
const fn index(second: u64) -> usize {
    (second % HISTORY) as usize
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exact by construction.
mod tests {
    use super::*;

    #[test]
    fn rates_are_means_of_what_was_counted() {
        let mut counter = Counter::new(2.0);
        for second in 0..3000 {
            counter.count(f64::from(second));
        }
        // Seconds 2990 to 2999.
        assert_eq!(counter.rate(2990, 3000), 2994.5);
        assert_eq!(counter.rate(2500, 2501), 2500.0);
    }

    #[test]
    fn before_the_start_it_was_always_the_same() {
        let mut counter = Counter::new(2.0);
        counter.count(6.0);
        assert_eq!(counter.rate(-60, -30), 2.0);
        assert_eq!(counter.rate(-1, 1), 4.0);
    }
}
