//! Processes of the bench beside it: they say when they are ready, take the load as lines of their input, and end when that ends, which
//! is when the bench does.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Longest time in which a helper answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// The helper's side: calls `measure` with the load at each command, and again after each `period`.
pub async fn commands(ready: &str, period: Duration, measure: impl Fn(f64)) -> Result<()> {
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || std::io::stdin().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut load = 1.0;
    println!("ready {ready}");
    loop {
        let Ok(line) = tokio::time::timeout(period, lines.recv()).await else {
            measure(load);
            continue;
        };
        let Some(line) = line else { return Ok(()) };
        load = line.trim().parse().with_context(|| format!("load {line:?}"))?;
        measure(load);
        println!("done");
    }
}

/// A running helper; ends when dropped.
pub struct Helper {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// What it said when it was ready, such as an address.
    pub ready: String,
}

impl Helper {
    /// Starts this very program with these arguments.
    pub async fn start(plane: &Path, arguments: &[&str]) -> Result<Self> {
        let program: PathBuf = std::env::current_exe()?;
        let mut command = Command::new(program);
        // The mark by which tests/cluster/down.sh ends what is left.
        command.args(arguments).env("BALLAST_CLUSTER_DIR", plane).kill_on_drop(true);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take().context("no input")?, child.stdout.take().context("no output")?);
        let mut helper = Self { child, input, output: BufReader::new(output).lines(), ready: String::new() };
        helper.ready = helper.line("ready").await?;
        Ok(helper)
    }

    /// Its process.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sets the load; what it gives is when the new one was first to be seen.
    pub async fn load(&mut self, load: f64) -> Result<Instant> {
        self.input.write_all(format!("{load}\n").as_bytes()).await?;
        self.input.flush().await?;
        self.line("done").await?;
        Ok(Instant::now())
    }

    async fn line(&mut self, word: &str) -> Result<String> {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line()).await.context("a helper does not answer")??;
        let Some(rest) = line.as_deref().and_then(|line| line.strip_prefix(word)) else { bail!("a helper said {line:?} for {word:?}") };
        Ok(rest.trim().to_owned())
    }
}
