//! How late a contender says that it was: histograms that it exports, over a time.

use std::collections::BTreeMap;

/// Buckets of a histogram by upper bound, cumulative, with sum and count.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

impl Histogram {
    /// Of this name in a text of metrics, whatever its labels are.
    pub fn read(text: &str, name: &str) -> Self {
        let mut histogram = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix(name)) {
            let Some(value) = line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()) else { continue };
            if line.starts_with("_sum") {
                histogram.sum += value;
            } else if line.starts_with("_count") {
                histogram.count += value;
            } else if let Some(bound) = line.split_once("le=\"").and_then(|(_, rest)| rest.split('"').next()?.parse().ok()) {
                histogram.buckets.push((bound, value));
            }
        }
        histogram
    }

    /// What was added since an earlier reading: mean, and the upper bound of the bucket that holds the 99th percentile.
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, f64> {
        let count = self.count - earlier.count;
        if count <= 0.0 {
            return BTreeMap::new();
        }
        let before = |bound: f64| earlier.buckets.iter().find(|(known, _)| (known - bound).abs() < 1e-9).map_or(0.0, |(_, value)| *value);
        let p99 = self.buckets.iter().find(|(bound, value)| value - before(*bound) >= 0.99 * count).map_or(f64::MAX, |(bound, _)| *bound);
        let mean = (self.sum - earlier.sum) / count;
        // Infinity is no JSON.
        BTreeMap::from([("lateness_mean".into(), mean), ("lateness_p99_at_most".into(), p99.min(1e9)), ("decisions".into(), count)])
    }
}
