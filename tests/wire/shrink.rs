//! Which faults does it take? A schedule that went wrong, without what it goes wrong without.

use super::{
    plan::{Plan, Weather},
    world::{Outcome, run},
};

/// How many runs may be spent.
const RUNS_MAX: u32 = 400;

/// What went wrong, and the smallest schedule with which it does.
pub(crate) fn report(plan: &Plan, outcome: &Outcome) -> String {
    let small = shrink(plan);
    let problems = run(&small).problems.join("\n");
    format!(
        "seed {seed}, profile {profile}:\n{}\n\nmade small:\n{problems}\n{small:#?}\n\
         alone: SIM_SEED={seed} cargo test --test wire a_shard_survives\n",
        outcome.problems.join("\n"),
        seed = plan.seed,
        profile = plan.profile,
    )
}

/// One thing less.
enum Part {
    Acts(usize, usize),
    Weather(usize, usize),
    End(usize, usize),
}

fn shrink(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    let mut runs = 0;
    loop {
        let before = size(&plan);
        for part in parts(&plan) {
            let Some(less) = without(&plan, &part) else {
                continue;
            };
            runs += 1;
            if runs > RUNS_MAX {
                return plan;
            }
            if !run(&less).problems.is_empty() {
                plan = less;
            }
        }
        if size(&plan) == before {
            return plan;
        }
    }
}

fn size(plan: &Plan) -> usize {
    let foul = |weather: &&Weather| **weather != Weather::FAIR;
    plan.acts.len() + plan.pipes.iter().flatten().filter(foul).count()
}

/// Halves, quarters and so on of the acts, from the last on; then each connection's weather.
fn parts(plan: &Plan) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut len = plan.acts.len() / 2;
    while len > 0 {
        let starts = (0..plan.acts.len()).step_by(len).rev();
        parts.extend(starts.map(|start| Part::Acts(start, len)));
        len /= 2;
    }
    for (shard, pipes) in plan.pipes.iter().enumerate() {
        for index in (0..pipes.len()).rev() {
            parts.extend([Part::Weather(shard, index), Part::End(shard, index)]);
        }
    }
    parts
}

fn without(plan: &Plan, part: &Part) -> Option<Plan> {
    let mut less = plan.clone();
    match *part {
        Part::Acts(start, len) => {
            let end = (start + len).min(less.acts.len());
            (start < end).then(|| less.acts.drain(start..end))?;
        }
        Part::Weather(shard, index) => less.pipes[shard][index] = Weather::FAIR,
        Part::End(shard, index) => less.pipes[shard][index].end = None,
    }
    (less.pipes != plan.pipes || less.acts.len() < plan.acts.len()).then_some(less)
}
