//! The dashboard: drawn into a buffer in place of a terminal, and as a program.

#[path = "../../examples/dashboard/draw.rs"]
mod draw;
#[path = "../../examples/dashboard/model.rs"]
mod model;

use std::{collections::BTreeMap, time::Duration};

use ratatui::{
    Terminal,
    backend::TestBackend,
    buffer::{Buffer, Cell},
    style::Color,
};
use shardstream::{Cause, Notice, State};

use crate::process::printed;

use self::model::{Budget, Model};

const MS: Duration = Duration::from_millis(1);

fn drawn(model: &Model, width: u16, height: u16) -> Buffer {
    let backend = TestBackend::new(width, height);
    let mut terminal = Terminal::new(backend).expect("a buffer");
    let Ok(_) = terminal.draw(|frame| draw::draw(frame, model));
    terminal.backend().buffer().clone()
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    let row = |cells: &[Cell]| cells.iter().map(Cell::symbol).collect();
    buffer.content.chunks(width).map(row).collect()
}

/// The line with this text, and the text's column.
#[track_caller]
fn find(buffer: &Buffer, text: &str) -> (String, u16, u16) {
    let all = lines(buffer);
    let found = (all.iter().enumerate()).find_map(|(y, line)| Some((y, line, line.find(text)?)));
    let Some((y, line, at)) = found else {
        panic!("no {text:?} in\n{}", all.join("\n"));
    };
    let x = line[..at].chars().count();
    (
        line.clone(),
        u16::try_from(x).unwrap(),
        u16::try_from(y).unwrap(),
    )
}

/// Twelve shards: one slow, one in each state but active, the others served.
fn model() -> Model {
    let mut model = Model::default();
    "a made-up gateway".clone_into(&mut model.source);
    model.elapsed = Duration::from_secs(83);
    let others = [
        State::AwaitResumed,
        State::AwaitPermit,
        State::AwaitReady,
        State::AwaitConnection,
        State::AwaitHello,
        State::AwaitClose,
        State::Backoff,
        State::Stopped,
    ];
    for number in 0..12 {
        let state = others
            .get(number as usize)
            .copied()
            .unwrap_or(State::Active);
        for ack in 1..=4 {
            let latency = Some(MS * (10 * number + ack));
            model.shard(number, (state, number == 11), ack.into(), latency);
        }
        // Looked at again, without another ack.
        model.shard(number, (state, number == 11), 4, Some(999 * MS));
    }
    model
}

#[test]
fn the_dashboard_shows_each_shard_in_the_colour_of_its_state() {
    let buffer = drawn(&model(), 110, 34);
    let head = find(&buffer, "12 shards on a made-up gateway").0;
    assert!(head.ends_with("up 1:23   q quits "), "{head}");
    let expected = [
        ("   0 ", Color::Cyan, "resuming"),
        ("   1 ", Color::LightBlue, "identifying"),
        ("   2 ", Color::LightBlue, "identifying"),
        ("   3 ", Color::Magenta, "connecting"),
        ("   4 ", Color::Magenta, "connecting"),
        ("   5 ", Color::Magenta, "connecting"),
        ("   6 ", Color::Red, "backing off"),
        ("   7 ", Color::DarkGray, "ended"),
        ("   8 ", Color::Green, "▇▇▇█   84ms"),
        ("   9 ", Color::Green, "▇▇▇█   94ms"),
        ("  10 ", Color::Green, "▇▇▇█  104ms"),
        ("  11 ", Color::Yellow, "▇▇▇█  114ms"),
    ];
    for (chip, color, text) in expected {
        let (line, x, y) = find(&buffer, chip);
        let rest: String = line.chars().skip(usize::from(x) + 6).take(12).collect();
        assert_eq!(rest.trim_end(), text, "{chip}");
        assert_eq!(buffer[(x + 3, y)].bg, color, "{chip}");
        assert_eq!(buffer[(x + 7, y)].fg, color, "{chip}");
    }
    let legend = "■ 3 served  ■ 1 slow  ■ 1 resuming  ■ 2 identifying  ■ 3 connecting  \
                  ■ 1 backing off  ■ 1 ended";
    find(&buffer, legend);
}

#[test]
fn the_dashboard_shows_rates_causes_latencies_and_the_identifies_left() {
    let mut model = model();
    let empty = drawn(&model, 110, 34);
    for text in [
        "Events per second: 0",
        "Reconnects: 0",
        "median none yet",
        "not known",
    ] {
        find(&empty, text);
    }

    let events = |messages, typing| {
        let events = [
            ("MESSAGE_CREATE", messages),
            ("TYPING_START", typing),
            ("READY", 8),
        ];
        BTreeMap::from(events.map(|(name, count)| (name.to_owned(), count)))
    };
    model.sample(events(100, 0));
    model.elapsed += 2 * Duration::from_secs(1);
    model.sample(events(180, 25));
    for code in [4000, 4009, 4000] {
        model.notice(&Notice::Disconnected {
            cause: Cause::Closed { code: Some(code) },
            resumable: true,
            retry_in: Duration::ZERO,
        });
    }
    model.notice(&Notice::Connected);
    model.error("connect");
    (model.counters.resumes, model.counters.identifies) = (5, 12);
    model.budget = Some(Budget {
        total: 1000,
        left_at_start: 412,
        identified_in: Some(1500 * MS),
    });
    let buffer = drawn(&model, 110, 34);
    // The longest bar is as wide as the room; a kind that came no more is left out.
    find(&buffer, "Events per second: 52");
    find(&buffer, "MESSAGE_CREATE            40.0 ████");
    find(&buffer, "TYPING_START              12.5 █ ");
    assert!(!lines(&buffer).concat().contains("READY"));
    find(&buffer, "Reconnects: 4");
    find(&buffer, "5 resumes, 12 identifies sent");
    let most = find(&buffer, "   2 the server closed with code 4000").2;
    let least = find(&buffer, "   1 the server closed with code 4009").2;
    assert!(most < least);
    find(&buffer, "   1 error: connect");
    find(&buffer, "median 64.0 ms");
    find(&buffer, "worst 114.0 ms");
    // Less than a half is left: not green any more.
    let (_, x, y) = find(&buffer, "400 of 1000; the last can identify in 1.5 s");
    assert_eq!(buffer[(x - 30, y)].fg, Color::Yellow);
}

#[test]
fn the_dashboard_shows_as_many_shards_as_fit_and_says_how_many_do_not() {
    let mut model = Model::default();
    for number in 0..300 {
        model.shard(number, (State::Active, false), 0, None);
    }
    // 18 in a row, 14 rows of which the last is needed to say how many are left out.
    assert!(!model.is_complete(), "no rates yet");
    let buffer = drawn(&model, 110, 34);
    find(&buffer, " 233 ");
    find(&buffer, "and 66 more");
    assert!(!lines(&buffer).concat().contains(" 234 "));
    for (width, height) in [(0, 0), (1, 1), (5, 3), (20, 10), (30, 60), (400, 100)] {
        drawn(&model, width, height);
    }
}

#[test]
fn the_dashboard_prints_a_picture_where_there_is_no_terminal() {
    let lines = printed("dashboard");
    assert_eq!(lines.len(), 34);
    assert!(lines[0].contains("64 shards on a local gateway with faults"));
    let text = lines.join("\n");
    assert!(text.contains("■ 64 served"), "{text}");
    assert!(text.contains("MESSAGE_CREATE "), "{text}");
    assert!(text.contains(" of 1000; "), "{text}");
}
