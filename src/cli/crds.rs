//! `ballast crds`: the `CustomResourceDefinitions` as YAML.

use anyhow::Context;

use crate::api::crd;

/// One file per definition: its name, and its text.
pub fn files() -> anyhow::Result<Vec<(String, String)>> {
    crd::documents()?
        .into_iter()
        .map(|document| {
            let name = document["metadata"]["name"].as_str().context("a definition without a name")?;
            Ok((format!("{name}.yaml"), serde_saphyr::to_string(&document)?))
        })
        .collect()
}

/// All definitions in one stream for `kubectl apply -f -`.
pub fn yaml() -> anyhow::Result<String> {
    let texts = files()?.into_iter().map(|(_, text)| ["---\n", text.trim_end(), "\n"].concat());
    Ok(texts.collect())
}
