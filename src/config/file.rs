//! The `--config` file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, tolerable};
use crate::api::join;
use crate::source::prometheus::SourceLimits;

/// The `--config` file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct File {
    /// Servers that every namespace may name as `source`.
    #[serde(default)]
    pub sources: Vec<crate::api::SourceConfig>,
    /// Defaults for the policies of a namespace, by namespace.
    #[serde(default)]
    pub defaults: BTreeMap<String, NamespaceDefaults>,
    /// Where `MetricSource`s may lead.
    #[serde(default)]
    pub metric_sources: SourceLimits,
}

/// Defaults for the policies of one namespace; what is left out keeps the flag's value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NamespaceDefaults {
    /// Seconds between two decisions, 1 to 300.
    pub interval_seconds: Option<u32>,
    /// Tolerance as a ratio.
    pub tolerance: Option<f64>,
    /// Look-back for scale-in, 0 to 3600 s.
    pub downscale_stabilization_seconds: Option<u32>,
    /// `Smooth` or `None`.
    pub smoothing: Option<SmoothingName>,
}

/// Names of the smoothings, as in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum SmoothingName {
    /// The level filter.
    Smooth,
    /// The plain HPA rule.
    None,
}

// === impl File ===

impl File {
    /// Reads and checks the file.
    pub fn read(path: &std::path::Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|error| {
            let message = match error {
                ConfigError::Parse { message, .. } => message,
                other => other.to_string(),
            };
            ConfigError::Parse { path: path.to_owned(), message }
        })
    }

    /// Checks the text of a file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let file: Self =
            serde_saphyr::from_str(text).map_err(|error| ConfigError::Parse { path: PathBuf::new(), message: error.to_string() })?;
        for (index, source) in file.sources.iter().enumerate() {
            source
                .validate(&format!("sources[{index}]"))
                .map_err(|errors| ConfigError::Parse { path: PathBuf::new(), message: join(&errors) })?;
            let name = &source.name;
            if file.sources[..index].iter().any(|earlier| earlier.name == *name) {
                let message = format!("sources[{index}].name: {name}: must differ from the names of the other sources");
                return Err(ConfigError::Parse { path: PathBuf::new(), message });
            }
        }
        for (namespace, defaults) in &file.defaults {
            let refuse = |field: &str, value: String, allowed| {
                Err(ConfigError::OutOfRange { field: format!("defaults.{namespace}.{field}"), value, allowed })
            };
            match defaults {
                NamespaceDefaults { interval_seconds: Some(s), .. } if !(1..=300).contains(s) => {
                    return refuse("intervalSeconds", s.to_string(), "1 to 300");
                }
                NamespaceDefaults { tolerance: Some(t), .. } if !tolerable(*t) => {
                    return refuse("tolerance", t.to_string(), "a finite number of at least 0");
                }
                NamespaceDefaults { downscale_stabilization_seconds: Some(s), .. } if *s > 3600 => {
                    return refuse("downscaleStabilizationSeconds", s.to_string(), "0 to 3600");
                }
                _ => {}
            }
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_namespace_default_is_named_with_its_path_and_range() {
        let error = File::parse("defaults: {shop: {intervalSeconds: 0}}").unwrap_err();
        assert_eq!(error.to_string(), "defaults.shop.intervalSeconds: 0: must be 1 to 300");
    }

    #[test]
    fn an_unknown_key_of_the_file_is_refused() {
        assert!(File::parse("source: {}").unwrap_err().to_string().contains("source"));
    }
}
