//! Was it right? What must hold of every run, judged from what users saw, what the server saw and
//! what the pipes saw.

use std::{collections::BTreeMap, time::Duration};

use shardstream::{
    Limits, ShardId,
    local::{Act as Acted, Dialect, Record, Step},
};

use super::{
    plan::{Act, Plan, What},
    walk::{Seen, Walk},
    world::{Outcome, Remains, Side},
};

/// No shard may try to connect more often within a minute: five times from the quick bucket, else
/// a second apart at least, each time at two urls at most.
const DIALS_MAX: usize = 70;
/// What a timer may be late by.
const TICK: Duration = Duration::from_millis(2);

/// What is wrong, and the figures.
pub(crate) fn judge(plan: &Plan, remains: &Remains) -> Outcome {
    let mut problems = remains.problems.clone();
    let mut outcome = Outcome::default();
    for side in &remains.sides {
        let mut walk = Walk::default();
        for (at, seen) in &side.seen {
            let before = walk.problems.len();
            walk.step(seen);
            if walk.problems.len() > before {
                walk.problems
                    .push(format!("  at {:?}: {seen:?}", *at - remains.began));
            }
        }
        let id = side.id;
        problems.extend(
            walk.problems
                .iter()
                .map(|problem| format!("shard {id}: {problem}")),
        );
        outcome.events += walk.events;
        outcome.lost_sessions += walk.lost_sessions;
        if walk.lost_sessions > 0 && !may_lose(plan, remains, side) {
            problems.push(format!("shard {id}: a session was lost for no reason"));
        }
        pipes(plan, side, &mut problems, &mut outcome);
    }
    server(remains, &mut problems, &mut outcome);
    outcome.problems = problems;
    outcome
}

/// Whether anything happened for which a session may be given up.
fn may_lose(plan: &Plan, remains: &Remains, side: &Side) -> bool {
    let is_qq = plan.setup.dialect == Dialect::Qq;
    let ends = |code: u16| match code {
        4006 | 4007 => true,
        4003 | 4009 => !is_qq,
        4900..=4999 => is_qq,
        _ => false,
    };
    let by_server = remains.log.iter().any(|record| {
        let is_mine = record.shard == Some(side.id);
        is_mine
            && match &record.act {
                Acted::SentClose {
                    code: Some(code), ..
                } => ends(*code),
                Acted::Sent { op: Some(9), .. } | Acted::Refused { .. } => true,
                _ => false,
            }
    });
    let by_user = plan.acts.iter().any(|act| {
        let number = act.shard == side.id.number();
        number
            && match &act.what {
                What::Renew(how) => *how == shardstream::Reconnect::Fresh,
                What::Forget => true,
                What::Order(steps) => steps.iter().any(|step| matches!(step, Step::Mute)),
                _ => false,
            }
    });
    // Three resumes in a row without an event or an ack.
    by_server || by_user || resumes_in_vain(remains, side) >= 3
}

/// The most connections in a row, since a session began, on which the user saw no event.
fn resumes_in_vain(remains: &Remains, side: &Side) -> usize {
    let books = side.dialler.books();
    let mut most = 0;
    let mut since = remains.began;
    for (at, seen) in &side.seen {
        let is_progress = matches!(
            seen,
            Seen::Event {
                number: Some(_),
                ..
            }
        );
        if is_progress {
            let dials = books
                .dials
                .iter()
                .filter(|dial| **dial >= since && **dial <= *at);
            most = most.max(dials.count());
            since = *at;
        }
    }
    most
}

fn pipes(plan: &Plan, side: &Side, problems: &mut Vec<String>, outcome: &mut Outcome) {
    let id = side.id;
    let books = side.dialler.books();
    outcome.cuts += books.cuts;
    if books.sockets_max > 1 {
        problems.push(format!("shard {id}: {} sockets at once", books.sockets_max));
    }
    if books.live > 0 {
        problems.push(format!("shard {id}: {} pipes at the end", books.live));
    }
    for (index, dial) in books.dials.iter().enumerate() {
        let behind = books.dials.iter().skip(index);
        let within = behind.take_while(|next| next.duration_since(*dial).as_secs() < 60);
        if within.count() > DIALS_MAX {
            problems.push(format!("shard {id}: it connects again and again"));
            break;
        }
    }
    let limits = Limits::default();
    // Who is asked to leave a silent link still says goodbye.
    let is_asked = |act: &Act| act.shard == id.number() && matches!(act.what, What::Renew(_));
    let leaves = plan.acts.iter().any(is_asked);
    let goodbye = if leaves { limits.close } else { Duration::ZERO };
    let margin = limits.silence_margin + goodbye + TICK;
    for silence in &books.silences {
        outcome.silences += 1;
        let beyond = silence.saturating_sub(plan.setup.interval);
        outcome.silence_max = outcome.silence_max.max(beyond.saturating_sub(goodbye));
        if beyond > margin {
            problems.push(format!(
                "shard {id}: a silent link was kept for {silence:?}"
            ));
        }
    }
}

/// What no server must see.
fn server(remains: &Remains, problems: &mut Vec<String>, outcome: &mut Outcome) {
    if remains.is_token_reset {
        problems.push("the token was reset".to_owned());
    }
    // Close reasons of its own: scripts give none.
    let forgiven = [
        "",
        "no heartbeat for too long",
        "connection expired",
        "invalid session",
    ];
    let mut resumed = BTreeMap::<(Option<ShardId>, &str), u64>::new();
    for Record { act, shard, at, .. } in &remains.log {
        let mut wrong = |what: String| problems.push(format!("at {at:?}: {what}"));
        match act {
            Acted::SentClose { code, reason } if !forgiven.contains(&reason.as_str()) => {
                wrong(format!("the server closed with {code:?}: {reason}"));
            }
            Acted::Refused { reason } if *reason != "no such session" => {
                wrong(format!("the server refused: {reason}"));
            }
            Acted::Unreadable { len } => wrong(format!("{len} bytes that cannot be read")),
            Acted::Close {
                code: Some(1000 | 1001),
                ..
            } => {
                wrong("a close that ends the session".to_owned());
            }
            Acted::Identify { .. } => outcome.identifies += 1,
            Acted::Resume {
                session_id, seq, ..
            } => {
                let last = resumed.entry((*shard, session_id.as_str())).or_default();
                if seq < last {
                    wrong(format!("a resume from {seq}, after one from {last}"));
                }
                *last = *seq;
            }
            _ => {}
        }
    }
}
