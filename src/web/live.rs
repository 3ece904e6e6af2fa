//! What a reader sees, sent again as it changes: server-sent events.
//!
//! Bounded in each direction: so many streams at once, one look per [`PACE`], parts no larger than a page, and nothing waits for a reader
//! who does not take it: the connection is closed.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::Event;
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{self, Sender};
use tokio_util::sync::CancellationToken;

use super::board::{Board, Part};
use super::rows::Asked;
use crate::cluster::Key;
use crate::hashing::fnv1a;

/// Time between two looks for one reader.
const PACE: Duration = Duration::from_secs(1);
/// A reader who takes nothing for so long is gone or means harm.
const SLOW: Duration = Duration::from_secs(10);
/// A browser comes back after this long when a stream has ended.
const AGAIN: Duration = Duration::from_secs(1);

/// What is followed.
#[derive(Clone, Debug)]
pub(super) enum View {
    /// A page of the list.
    Policies(Asked),
    /// One policy.
    Policy(Key),
}

/// The connection that a stream goes over.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Cancelled by the port shortly before it closes the connection: streams end in order.
    pub ending: CancellationToken,
    /// Cancelled by a stream: the connection is closed at once, whatever is still to be sent.
    pub hang_up: CancellationToken,
}

/// The stream; `_seat` is free again when it has ended.
pub(super) fn follow(
    board: Arc<Board>,
    view: View,
    line: Line,
    stop: CancellationToken,
    seat: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let (out, rx) = mpsc::channel(1);
    tokio::spawn(async move {
        let _seat = seat;
        tokio::select! {
            () = stop.cancelled() => {}
            () = line.ending.cancelled() => {}
            () = out.closed() => {}
            () = tell(&board, &view, &line, &out) => {}
        }
    });
    Sse::new(unfold(rx, |mut rx| async move { rx.recv().await.map(|event| (Ok(event), rx)) }))
}

/// Sends what is new until nobody takes it.
async fn tell(board: &Board, view: &View, line: &Line, out: &Sender<Event>) {
    let mut told = HashMap::new();
    // The first one tells the browser when to come back.
    let mut beat = Event::default().retry(AGAIN);
    loop {
        // Also proves that the stream lives, and by it ages are counted.
        let now = board.now().as_millis().to_string();
        if !send(out, line, beat.event("beat").data(now)).await {
            return;
        }
        let parts: Vec<Part> = match view {
            View::Policies(asked) => board.policies(asked).await,
            View::Policy(key) => board.policy(key).await,
        };
        for (name, text) in parts {
            let hash = fnv1a(text.as_bytes());
            if told.insert(name, hash) != Some(hash) && !send(out, line, Event::default().event(name).data(text)).await {
                return;
            }
        }
        tokio::time::sleep(PACE).await;
        beat = Event::default();
    }
}

async fn send(out: &Sender<Event>, line: &Line, event: Event) -> bool {
    match out.send_timeout(event, SLOW).await {
        Ok(()) => true,
        Err(SendTimeoutError::Timeout(_)) => {
            line.hang_up.cancel();
            false
        }
        Err(SendTimeoutError::Closed(_)) => false,
    }
}
