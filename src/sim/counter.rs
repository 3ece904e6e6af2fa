//! A counter, as a metrics pipeline would read it.

/// A counter that grows by one value a second, readable for a number of seconds.
#[derive(Clone, Debug)]
pub struct Counter {
    /// Sum up to each second, by second modulo the length, a power of two.
    sums: Vec<f64>,
    /// Seconds counted.
    now: u64,
    /// What is assumed of each second before the start.
    before: f64,
}

impl Counter {
    /// A counter that has always grown by `before` a second, and can be read for at least the last `history` seconds.
    pub fn new(before: f64, history: u64) -> Self {
        let length = usize::try_from(history).unwrap_or(usize::MAX >> 1).saturating_add(1).next_power_of_two();
        Self { sums: vec![0.0; length], now: 0, before }
    }

    /// Seconds counted.
    pub fn now(&self) -> i64 {
        i64::try_from(self.now).unwrap_or(i64::MAX)
    }

    /// A second passes.
    pub fn count(&mut self, value: f64) {
        let sum = self.sums[self.index(self.now)] + value;
        self.now += 1;
        let index = self.index(self.now);
        self.sums[index] = sum;
    }

    /// Mean growth per second from one second to another, the end excluded. Both are at most now, and not longer ago than the history.
    pub fn rate(&self, from: i64, to: i64) -> f64 {
        if to <= from { 0.0 } else { self.sum(from, to) / (to - from) as f64 }
    }

    /// Growth from one second to another, the end excluded.
    pub fn sum(&self, from: i64, to: i64) -> f64 {
        if to <= from { 0.0 } else { self.up_to(to) - self.up_to(from) }
    }

    fn up_to(&self, second: i64) -> f64 {
        match u64::try_from(second) {
            Ok(second) => self.sums[self.index(second)],
            Err(_) => second as f64 * self.before,
        }
    }

    #[allow(clippy::cast_possible_truncation)] // Below the length.
    fn index(&self, second: u64) -> usize {
        (second & (self.sums.len() as u64 - 1)) as usize
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // Exact by construction.
mod tests {
    use super::*;

    #[test]
    fn rates_are_means_of_what_was_counted() {
        let mut counter = Counter::new(2.0, 1000);
        for second in 0..3000 {
            counter.count(f64::from(second));
        }
        // Seconds 2990 to 2999.
        assert_eq!(counter.rate(2990, 3000), 2994.5);
        assert_eq!(counter.sum(2000, 2002), 4001.0);
    }

    #[test]
    fn before_the_start_it_was_always_the_same() {
        let mut counter = Counter::new(2.0, 100);
        counter.count(6.0);
        assert_eq!(counter.rate(-60, -30), 2.0);
        assert_eq!(counter.rate(-1, 1), 4.0);
    }
}
