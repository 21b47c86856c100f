//! `haechi bench mllp`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::within;
use crate::bench;
use crate::cli::terminal;
use crate::error::Failure;

/// Options of `haechi bench mllp`.
#[derive(Debug, Args)]
pub(crate) struct Mllp {
    /// Messages to send
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    messages: u64,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
    /// Seed of the hospital whose messages are sent
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
    /// Measure a plain Node server that only acknowledges, too; its script
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "tests/performance/mllp_peer.js")]
    peer: Option<PathBuf>,
    /// Folder to work in; must not exist yet, is removed afterwards
    #[arg(long, value_name = "DIR", default_value = ".haechi-bench")]
    work: PathBuf,
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// Options of the server's process.
#[derive(Debug, Args)]
pub(crate) struct MllpServer {
    #[arg(long)]
    home: PathBuf,
}

pub(crate) fn run(args: &Mllp) -> Result<ExitCode, Failure> {
    let order = bench::mllp::Order {
        messages: args.messages,
        connections: args.connections.max(1),
        seed: args.seed,
        work: &args.work,
        peer: args.peer.as_deref(),
    };
    let figures = within(&args.work, || bench::mllp::run(&order))?;
    if args.json {
        terminal::json(&figures)?;
        return Ok(ExitCode::SUCCESS);
    }
    terminal::line(&format!(
        "{} messages over {} connections: {:.0} acknowledged/s durably, p50 {:.1} ms, p99 {:.1} ms\n\
         {} filed, {:.0}/s until none waited; {} dead, {} lost, {} duplicated; peak {} MiB, {} MiB after a tenth",
        terminal::thousands(figures.messages),
        figures.connections,
        figures.acknowledged_per_s,
        figures.p50_ms,
        figures.p99_ms,
        terminal::thousands(figures.processed),
        figures.processed_per_s,
        figures.dead,
        figures.lost,
        figures.duplicated,
        figures.peak_rss_bytes >> 20,
        figures.rss_at_a_tenth_bytes >> 20
    ));
    if let Some(peer) = &figures.peer {
        terminal::line(&format!(
            "{}, which only acknowledges: {:.0}/s, p50 {:.1} ms, p99 {:.1} ms; ours by theirs {:.2}",
            peer.name, peer.acknowledged_per_s, peer.p50_ms, peer.p99_ms, peer.ratio
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn serve(args: MllpServer) -> Result<ExitCode, Failure> {
    bench::mllp::serve(args.home)?;
    Ok(ExitCode::SUCCESS)
}
