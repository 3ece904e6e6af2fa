//! Standard output: how wide it is, with colours where they are wanted.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;

use super::access::Usage;

/// Columns where nobody says how many there are.
const WIDTH: usize = 100;
/// Cursor to the upper left.
const HOME: &str = "\u{1b}[H";
/// The rest of the line erased, and on to the next.
const END_OF_LINE: &str = "\u{1b}[K\r\n";
/// All below the cursor erased.
const REST: &str = "\u{1b}[J";

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colours {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Also into pipes and files.
    Always,
    /// Nowhere.
    Never,
}

impl Colours {
    /// Makes it so for all that this process prints.
    pub fn choose(self) {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
        .write_global();
    }
}

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

/// Whether there is a screen on which something can be shown in place.
pub fn on_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Lines of the screen that can be filled without scrolling.
pub fn height() -> usize {
    terminal_size::terminal_size().map_or(usize::MAX, |(_, height)| usize::from(height.0).saturating_sub(1))
}

/// Shows a page in place of the one before, cut to the screen: what matters most stands first. Where there is no screen, pages follow each
/// other.
pub fn redraw(page: &str) -> io::Result<()> {
    if !on_terminal() {
        return put(page);
    }
    let plain = AutoStream::choice(&io::stdout()) == ColorChoice::Never;
    let page = if plain { strip_str(page).to_string() } else { page.to_owned() };
    // In one piece and without erasing the screen first, which would flicker.
    let mut picture = HOME.to_owned();
    for line in page.lines().take(height()) {
        picture.extend([line, END_OF_LINE]);
    }
    let mut out = io::stdout();
    out.write_all((picture + REST).as_bytes())?;
    out.flush()
}

/// The exit code of a command: its own, 2 after wrong usage, `failed` after any other error, which is said on one line.
pub fn ended(result: anyhow::Result<ExitCode>, failed: u8) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { failed })
        }
    }
}

/// Whoever closed the pipe has read enough.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
