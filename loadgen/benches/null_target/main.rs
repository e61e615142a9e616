//! What the load generator can do by itself: it has one processor, and a target that answers at once has another one.
//!
//!     cargo bench -p loadgen --bench null_target
//!
//! The generator is the one of real runs, with its arrival, its history and its latency log, against a process that
//! speaks Veil's protocol. Each row has a process of its own. Then the highest rate is looked for at which all is sent
//! and answered, the 99th percentile within 1 ms of its due time. On Linux, with two processors.

mod row;
mod target;

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use self::{
    row::{Load, Row},
    target::Target,
};

/// The rates of the table, operations a second.
const RATES: [f64; 3] = [1_000.0, 10_000.0, 50_000.0];
/// Users while the highest rate is looked for: registering many takes longer than that.
const FEW_USERS: u32 = 1_000;
/// How close to the highest rate the search comes, as a share of it.
const CLOSE: f64 = 0.03;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Role>,
    /// How long each row is measured, after a warm-up of a second.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    time: Duration,
    /// Simulated users.
    #[arg(long, default_value_t = 50_000)]
    users: u32,
    /// This rate alone, operations a second, and no search for the highest.
    #[arg(long)]
    rate: Option<f64>,
    /// Plain TCP alone.
    #[arg(long, conflicts_with = "tls")]
    plain: bool,
    /// TLS alone.
    #[arg(long)]
    tls: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What this executable is when it was started by itself.
#[derive(Subcommand)]
enum Role {
    #[command(hide = true)]
    Target {
        #[arg(long)]
        tls: bool,
        core: usize,
    },
    #[command(hide = true)]
    Measure { core: usize, load: String },
}

/// All that was measured.
#[derive(Serialize)]
struct Findings {
    rows: Vec<Row>,
    /// The row of the highest rate over plain TCP and over TLS.
    highest: Vec<Row>,
}

// As in the executables.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Role::Target { core, tls }) => {
            pin(core)?;
            runtime()?.block_on(target::serve(tls))
        }
        Some(Role::Measure { core, load }) => {
            pin(core)?;
            let row = runtime()?.block_on(row::measure(serde_json::from_str(&load)?))?;
            println!("{}", serde_json::to_string(&row)?);
            Ok(())
        }
        None => measure_all(&arguments),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn measure_all(arguments: &Arguments) -> anyhow::Result<()> {
    let cores = cores()?;
    let [generators, targets, ..] = cores[..] else {
        anyhow::bail!("there is one processor; generator and target need one each");
    };
    let print = |row: &Row| {
        if !arguments.json {
            println!("{}", line(row));
        }
    };
    if !arguments.json {
        println!("{HEAD}");
    }
    let mut findings = Findings { rows: Vec::new(), highest: Vec::new() };
    for tls in [false, true] {
        if (tls && arguments.plain) || (!tls && arguments.tls) {
            continue;
        }
        let (_running, target) = start_target(targets, tls)?;
        let measure = |rate: f64, users: u32| {
            let load = Load { target: target.clone(), rate, users, time: arguments.time };
            measure_one(generators, &load)
        };
        for rate in arguments.rate.map_or(RATES.to_vec(), |rate| vec![rate]) {
            let row = measure(rate, arguments.users)?;
            print(&row);
            findings.rows.push(row);
        }
        if arguments.rate.is_none()
            && let Some(row) = highest(|rate| measure(rate, FEW_USERS))?
        {
            print(&row);
            findings.highest.push(row);
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    }
    Ok(())
}

/// The row of the highest rate that the generator sustains, by halving the range that it lies in.
fn highest(measure: impl Fn(f64) -> anyhow::Result<Row>) -> anyhow::Result<Option<Row>> {
    let (mut best, mut sustained, mut too_high) = (None, 0.0, f64::INFINITY);
    let mut rate = RATES[RATES.len() - 1];
    while too_high.is_infinite() || too_high - sustained > CLOSE * too_high {
        let row = measure(rate)?;
        if row.is_sustained() {
            sustained = rate;
            best = Some(row);
        } else {
            too_high = rate;
        }
        rate = if too_high.is_finite() { f64::midpoint(sustained, too_high).round() } else { rate * 2.0 };
        // The generator's own limit on scenarios.
        if !(1.0..=1e6).contains(&rate) {
            break;
        }
    }
    Ok(best)
}

/// The processors that this process may use.
fn cores() -> anyhow::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Leaves this thread, and those that it will start, one processor.
fn pin(core: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// A process of this executable, which ends when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_target(core: usize, tls: bool) -> anyhow::Result<(Running, Target)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["target", &core.to_string()])
        .args(tls.then_some("--tls"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("no standard output")?;
    let running = Running(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    Ok((running, serde_json::from_str(&line).context("the target does not start")?))
}

fn measure_one(core: usize, load: &Load) -> anyhow::Result<Row> {
    let output = Command::new(std::env::current_exe()?)
        .args(["measure", &core.to_string(), &serde_json::to_string(load)?])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the generator ended with {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

const HEAD: &str = "\
                          a second         CPU us     send-time error, us      due to answered, us   resident
             users   offered      done  an oper.     p50     p99      max     p50     p99      max         MB";

fn line(row: &Row) -> String {
    let Row { tls, users, offered, done, cpu_us, resident_mb, send_error_us, answered_us, .. } = row;
    let spread =
        |spread: &row::Spread| format!("{:>7.0} {:>7.0} {:>8.0}", spread.p50, spread.p99, spread.max);
    format!(
        "{:<10} {users:>7} {offered:>9.0} {done:>9.0} {cpu_us:>9.1} {} {} {resident_mb:>10.0}{}",
        if *tls { "TLS" } else { "plain TCP" },
        spread(send_error_us),
        spread(answered_us),
        if row.is_sustained() { "" } else { "  not sustained" },
    )
}
