//! The picture: bars of CPU an event, for light and dark pages.

use std::fmt::Write as _;

use super::{
    jobs::{CLIENTS, COMPRESSIONS, Case, SHARDSTREAM},
    report::Results,
    run::Report,
};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 64.0;
const ROW: f64 = 22.0;

const STYLE: &str = "\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.note { fill: #59636e; font-size: 12px } .bar { fill: #8c959f } .ours { fill: #0969da }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 }
.bar { fill: #656c76 } .ours { fill: #4493f8 } }";

/// A bar: what it is of, and microseconds an event.
struct Bar {
    label: String,
    is_ours: bool,
    us: f64,
}

/// The picture of the burst on the mixed trace; `None` where that was not measured.
pub fn svg(results: &Results) -> Option<String> {
    let mut bars = Vec::new();
    for client in CLIENTS {
        for compression in COMPRESSIONS {
            let mut found = results.of(Case::Burst).filter(|outcome| {
                let job = &outcome.job;
                (job.client, job.compression, job.trace) == (client, compression, "mixed")
            });
            let cpu = found
                .next()
                .and_then(|outcome| outcome.median(Report::cpu_ns));
            if let Some(ns) = cpu {
                let (label, is_ours) = (format!("{client}, {compression}"), client == SHARDSTREAM);
                bars.push(Bar {
                    label,
                    is_ours,
                    us: ns / 1000.0,
                });
            }
        }
    }
    let most = bars.iter().map(|bar| bar.us).fold(0.0, f64::max);
    (most > 0.0).then(|| draw(&bars, most, &results.machine.date))
}

/// Bars that would hide the others by their length are cut, and say so.
fn draw(bars: &[Bar], most: f64, date: &str) -> String {
    const ARROW: f64 = 8.0;
    // As far as the clients in Rust go.
    let end = if most > 25.0 { 25.0 } else { most };
    let room = WIDTH - LEFT - RIGHT;
    let height = TOP + ROW * bars.len() as f64 + 16.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>CPU time an event takes, by client</title>\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"12\" y=\"24\">CPU time an event takes (user and system)</text>\n\
         <text class=\"note\" x=\"12\" y=\"44\">microseconds, less is better; mixed trace, every \
         event decoded, one thread; bars that end in an arrow are cut; {date}</text>\n"
    );
    for (n, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * n as f64;
        let width = room * bar.us.min(end) / end;
        let class = if bar.is_ours { "ours" } else { "bar" };
        let (x, text_y, height) = (LEFT - 8.0, y + 14.0, ROW - 5.0);
        // Writing to a text cannot fail.
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{text_y}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" \
             height=\"{height}\"/>\
             <text x=\"{:.1}\" y=\"{text_y}\">{:.2}</text>",
            bar.label,
            LEFT + width + ARROW + 6.0,
            bar.us,
        );
        if bar.us > end {
            let (from, to) = (LEFT + width, LEFT + width + ARROW);
            let (bottom, middle) = (y + height, y + height / 2.0);
            let _ = writeln!(
                out,
                "<path class=\"{class}\" d=\"M{from} {y}L{to} {middle}L{from} {bottom}Z\"/>"
            );
        }
    }
    out + "</svg>\n"
}
