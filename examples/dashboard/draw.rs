//! How does it look? From the model to the cells of a terminal, and nothing else.

use std::{collections::VecDeque, time::Duration};

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize as _},
    symbols::bar,
    text::{Line, Span},
    widgets::{Block, Gauge, Paragraph, Sparkline},
};
use shardstream::State;

use super::model::{Model, Shard};

/// A shard with its latencies, and its number alone where there are too many for that.
const CELL: u16 = 18;
const CELL_SMALL: u16 = 6;
/// Latencies shown of one shard.
const SPARKS: usize = 5;

/// What a shard does, in the order of the legend.
const MOODS: [(&str, Color); 7] = [
    ("served", Color::Green),
    ("slow", Color::Yellow),
    ("resuming", Color::Cyan),
    ("identifying", Color::LightBlue),
    ("connecting", Color::Magenta),
    ("backing off", Color::Red),
    ("ended", Color::DarkGray),
];

/// Draws all of it.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let rows = [
        Constraint::Length(1),
        Constraint::Min(4),
        Constraint::Length(14),
        Constraint::Length(3),
    ];
    let [head, grid, middle, foot] = Layout::vertical(rows).areas(frame.area());
    let columns = [
        Constraint::Percentage(28),
        Constraint::Percentage(35),
        Constraint::Percentage(37),
    ];
    let [latency, kinds, causes] = Layout::horizontal(columns).areas(middle);
    draw_head(frame, head, model);
    draw_grid(frame, grid, model);
    draw_latency(frame, latency, model);
    draw_kinds(frame, kinds, model);
    draw_causes(frame, causes, model);
    draw_budget(frame, foot, model);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let seconds = model.elapsed.as_secs();
    let up = format!("up {}:{:02}   q quits ", seconds / 60, seconds % 60);
    let name = Span::from(" shardstream ").bold().reversed();
    let source = format!("  {} shards on {}", model.shards.len(), model.source);
    frame.render_widget(Line::from(vec![name, source.into()]), area);
    frame.render_widget(Line::from(up).right_aligned(), area);
}

fn draw_grid(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let count = |mood| {
        (model.shards.values())
            .filter(move |shard| mood_of(shard) == mood)
            .count()
    };
    let legend = MOODS.iter().enumerate().map(|(mood, (name, color))| {
        let style = Style::new().fg(*color);
        Span::styled(format!(" ■ {} {name} ", count(mood)), style)
    });
    let block = Block::bordered()
        .title(" Shards ")
        .title_bottom(legend.collect::<Line<'_>>());
    let inside = block.inner(area);
    frame.render_widget(block, area);

    let fits = |width| usize::from(inside.width / width) * usize::from(inside.height);
    let is_small = fits(CELL) < model.shards.len();
    let width = if is_small { CELL_SMALL } else { CELL };
    let in_a_row = usize::from(inside.width / width).max(1);
    let cells: Vec<_> = model.shards.iter().collect();
    let line = |row: &[(&u32, &Shard)]| {
        let spans = row
            .iter()
            .flat_map(|(number, shard)| cell(**number, shard, is_small));
        spans.collect::<Line<'_>>()
    };
    let mut lines: Vec<_> = cells.chunks(in_a_row).map(line).collect();
    let height = usize::from(inside.height);
    if lines.len() > height && height > 0 {
        let hidden = cells.len() - (height - 1) * in_a_row;
        lines.truncate(height - 1);
        lines.push(Line::from(format!(" and {hidden} more")));
    }
    frame.render_widget(Paragraph::new(lines), inside);
}

fn cell(number: u32, shard: &Shard, is_small: bool) -> [Span<'static>; 2] {
    let (name, color) = MOODS[mood_of(shard)];
    let chip = Span::styled(
        format!("{number:>4} "),
        Style::new().bg(color).fg(Color::Black),
    );
    if is_small {
        return [chip, " ".into()];
    }
    let rest = match shard.latency.back() {
        Some(last) if shard.state == State::Active => {
            let ms = format!("{:.0}ms", last.as_secs_f64() * 1e3);
            format!("{:<SPARKS$}{ms:>6}", sparks(&shard.latency))
        }
        _ => name.to_owned(),
    };
    [
        chip,
        Span::styled(format!(" {rest:<12}"), Style::new().fg(color)),
    ]
}

/// The last latencies as bars, the longest of all that are remembered the highest.
fn sparks(latency: &VecDeque<Duration>) -> String {
    let longest = latency.iter().max().map_or(0, Duration::as_micros).max(1);
    let bars = bar::NINE_LEVELS;
    let bars = [
        bars.one_eighth,
        bars.one_quarter,
        bars.three_eighths,
        bars.half,
        bars.five_eighths,
        bars.three_quarters,
        bars.seven_eighths,
        bars.full,
    ];
    let level = |latency: &Duration| usize::try_from(latency.as_micros() * 7 / longest);
    let last = latency.iter().skip(latency.len().saturating_sub(SPARKS));
    last.map(|latency| bars[level(latency).unwrap_or(7)])
        .collect()
}

fn mood_of(shard: &Shard) -> usize {
    match shard.state {
        State::Active => usize::from(!shard.is_served()),
        State::AwaitResumed => 2,
        State::AwaitPermit | State::AwaitReady => 3,
        State::Backoff => 5,
        State::Stopped => 6,
        // The connection, Hello, or the end of a close handshake.
        _ => 4,
    }
}

fn draw_latency(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let block = Block::bordered().title(" Heartbeat latency ");
    let halves = Layout::vertical([Constraint::Fill(1); 2]).split(block.inner(area));
    frame.render_widget(block, area);
    let (medians, worsts): (Vec<_>, Vec<_>) = model.latency.iter().copied().unzip();
    for (half, (name, values, color)) in halves.iter().zip([
        ("median", medians, Color::Green),
        ("worst", worsts, Color::Yellow),
    ]) {
        let micros = |value: &Duration| u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let shown = values.len().saturating_sub(usize::from(half.width));
        let bars: Vec<_> = values[shown..].iter().map(micros).collect();
        let last = values.last().map_or_else(
            || "none yet".to_owned(),
            |last| format!("{:.1} ms", last.as_secs_f64() * 1e3),
        );
        let title = Block::new().title(format!("{name} {last}"));
        let spark = Sparkline::default().block(title).data(bars);
        frame.render_widget(spark.style(Style::new().fg(color)), *half);
    }
}

fn draw_kinds(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let rates = model.rates();
    // The sum of nothing would be -0.
    let sum = rates.iter().fold(0.0, |sum, (_, rate)| sum + rate);
    let block = Block::bordered().title(format!(" Events per second: {sum:.0} "));
    let inside = block.inner(area);
    let room = inside.width.saturating_sub(32);
    let most = rates.first().map_or(1.0, |(_, rate)| *rate);
    let line = |(name, rate): &(&str, f64)| {
        let length = f64::from(room) * rate / most;
        let length = (1..=room)
            .take_while(|&n| f64::from(n) <= length.round())
            .count();
        let bar = Span::from(bar::FULL.repeat(length)).cyan();
        Line::from(vec![format!("{name:<24.24}{rate:>6.1} ").into(), bar])
    };
    let lines: Vec<_> = rates.iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_causes(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let counters = model.counters;
    let ended: u64 = model.causes.values().sum();
    let mut causes: Vec<_> = model.causes.iter().collect();
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let block = Block::bordered().title(format!(" Reconnects: {ended} "));
    let (resumes, identifies) = (counters.resumes, counters.identifies);
    let sent = Line::from(format!("{resumes} resumes, {identifies} identifies sent"));
    let causes = causes.into_iter().map(|(cause, count)| {
        Line::from(vec![format!("{count:>4} ").red(), cause.as_str().into()])
    });
    let lines: Vec<_> = std::iter::once(sent.dim()).chain(causes).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_budget(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let block = Block::bordered().title(" Identifies left today ");
    let Some(budget) = model.budget else {
        frame.render_widget(Paragraph::new("not known").block(block), area);
        return;
    };
    let left = model.identifies_left(budget);
    let part = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let ratio = (part(left) / part(budget.total.max(1))).clamp(0.0, 1.0);
    // From a half on the library spaces them out, and of the last tenth it uses none.
    let color = match ratio {
        0.5.. => Color::Green,
        0.1.. => Color::Yellow,
        _ => Color::Red,
    };
    let wait = match budget.identified_in {
        None => "the day's limit holds shards back".to_owned(),
        Some(Duration::ZERO) => "no shard waits for its turn".to_owned(),
        Some(wait) => format!("the last can identify in {:.1} s", wait.as_secs_f64()),
    };
    let label = format!("{left} of {}; {wait}", budget.total);
    let gauge = Gauge::default().block(block).ratio(ratio).label(label);
    frame.render_widget(
        gauge.gauge_style(Style::new().fg(color).bg(Color::Black)),
        area,
    );
}
