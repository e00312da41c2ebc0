//! Runs the clients in turn, round after round, and writes down what each took.

mod jobs;
mod machine;
mod plot;
mod report;
mod run;

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use jobs::{CLIENTS, Case, Job};
use run::{Outcome, Runner};

struct Args {
    cases: Vec<Case>,
    clients: Vec<&'static str>,
    rounds: usize,
    out: PathBuf,
    seed: u64,
}

const USAGE: &str = "\
compare [--only CASE,..] [--clients NAME,..] [--rounds N] [--seed N] [--out FOLDER]
    cases: burst main spawn narrowed startup raw paced pacedmain backends allocations memory
           merge idle
    clients: shardstream twilight-gateway serenity @discordjs/ws hikari discord.py";

fn main() -> Result<(), Box<dyn Error>> {
    let args = arguments()?;
    let mut all = Vec::new();
    for &case in &args.cases {
        all.extend(jobs::of(case));
    }
    all.retain(|job| {
        args.clients
            .contains(&job.client.split(',').next().unwrap_or_default())
    });
    let mut runner = Runner::start(&traces(&all), args.seed)?;
    all.retain(|job| runner.can_run(job));
    let machine = machine::Machine::here();
    let outcomes = rounds(&mut runner, &all, args.rounds);
    let results = report::Results::new(outcomes, &runner, machine, args.rounds);
    fs::create_dir_all(&args.out)?;
    fs::write(
        args.out.join("results.json"),
        serde_json::to_string_pretty(&results)?,
    )?;
    let markdown = report::markdown(&results);
    fs::write(args.out.join("results.md"), &markdown)?;
    if let Some(svg) = plot::svg(&results) {
        fs::write(args.out.join("results.svg"), svg)?;
    }
    print!("{markdown}");
    if runner.failures > 0 {
        return Err(format!("{} runs failed", runner.failures).into());
    }
    Ok(())
}

fn arguments() -> Result<Args, Box<dyn Error>> {
    use lexopt::{Arg::Long, ValueExt as _};
    let mut args = Args {
        cases: Case::ALL.to_vec(),
        clients: CLIENTS.to_vec(),
        rounds: 5,
        out: "results".into(),
        seed: 20_260_301,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("only") => {
                let names = parser.value()?.string()?;
                let cases = names.split(',').map(Case::by_name);
                args.cases = cases.collect::<Option<_>>().ok_or(USAGE)?;
            }
            Long("clients") => {
                let names = parser.value()?.string()?;
                let known = |name| CLIENTS.into_iter().find(|client| *client == name);
                let clients = names.split(',').map(known);
                args.clients = clients.collect::<Option<_>>().ok_or(USAGE)?;
            }
            Long("rounds") => args.rounds = parser.value()?.parse()?,
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("out") => args.out = parser.value()?.into(),
            Long("help") => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ => return Err(format!("{}\n{USAGE}", arg.unexpected()).into()),
        }
    }
    Ok(args)
}

fn traces(jobs: &[Job]) -> Vec<&'static str> {
    let mut traces: Vec<_> = jobs.iter().map(|job| job.trace).collect();
    traces.sort_unstable();
    traces.dedup();
    traces
}

/// Each round runs every job once. Those that are compared with each other run one after the
/// other, and who comes first changes from round to round.
fn rounds(runner: &mut Runner, jobs: &[Job], rounds: usize) -> Vec<Outcome> {
    let mut outcomes: Vec<_> = jobs.iter().cloned().map(Outcome::new).collect();
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, job) in jobs.iter().enumerate() {
        groups.entry(job.group()).or_default().push(at);
    }
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for group in groups.values_mut() {
            group.rotate_left(1);
            for &at in &*group {
                let outcome = &mut outcomes[at];
                if round < outcome.job.rounds_max {
                    outcome.runs.push(runner.run(&outcome.job));
                }
            }
        }
    }
    outcomes
}
