//! Standard output: how wide it is, with colours where they are wanted.

use std::io::{self, Write};

/// Columns where nobody says how many there are.
const WIDTH: usize = 100;

/// Columns of the terminal, or what `COLUMNS` says.
pub fn width() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let columns = || std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    terminal.or_else(columns).unwrap_or(WIDTH).max(40)
}

/// Prints without colours where they are not wanted (no terminal, `NO_COLOR`).
pub fn put(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whoever closed the pipe has read enough.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
