//! Bounded waits that say what they saw last.

use std::time::Duration;

const POLL: Duration = Duration::from_millis(100);

/// Polls until the probe gives `Ok`; after `limit` it panics with what was awaited and the last `Err`.
pub async fn eventually<T>(what: &str, limit: Duration, probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    match within(limit, probe).await {
        Ok(value) => value,
        Err(last) => panic!("{what}: not within {} s; last: {last}", limit.as_secs()),
    }
}

/// Like [`eventually`], then demands that the probe still holds after `quiet`. Gives the last `Err` instead of a panic.
pub async fn settled<T>(limit: Duration, quiet: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    within(limit, &mut probe).await?;
    tokio::time::sleep(quiet).await;
    probe().await
}

async fn within<T>(limit: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> Result<T, String> {
    let mut last = "nothing seen".to_owned();
    let polling = async {
        loop {
            match probe().await {
                Ok(value) => return value,
                Err(seen) => last = seen,
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(limit, polling).await.map_err(|_| last)
}
