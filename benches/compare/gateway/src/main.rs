//! The server: a port for each trace, on loopback, and nothing to work out while it is measured.
//!
//! Everything a connection gets is compressed before the port is named. What is written then is
//! written as fast as it is read ("burst"), or a frame every 200 microseconds ("paced").

mod conn;
mod http;

use std::{
    collections::BTreeMap,
    error::Error,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    thread,
};

use serde::Serialize;
use trace::{Kind, Trace, encode::Compression};

use conn::{Pace, Port};

/// What the runner needs to know, printed in one line when all is ready.
#[derive(Serialize)]
struct Listing {
    traces: BTreeMap<&'static str, About>,
}

#[derive(Serialize)]
struct About {
    burst: u16,
    paced: u16,
    prelude: usize,
    events: usize,
    paced_events: usize,
    narrowed: usize,
    mean_bytes: f64,
    zlib_ratio: f64,
    zstd_ratio: f64,
}

struct Args {
    seed: u64,
    kinds: Vec<Kind>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = arguments()?;
    let mut traces = BTreeMap::new();
    let mut problems = Vec::new();
    for kind in args.kinds {
        let (about, mut far) = serve(kind, args.seed)?;
        traces.insert(kind.name(), about);
        problems.append(&mut far);
    }
    if !problems.is_empty() {
        return Err(problems.join("; ").into());
    }
    let mut out = std::io::stdout();
    serde_json::to_writer(&mut out, &Listing { traces })?;
    out.write_all(b"\n")?;
    out.flush()?;
    // For as long as whoever started it holds the other end.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn arguments() -> Result<Args, Box<dyn Error>> {
    use lexopt::{Arg::Long, ValueExt as _};
    let mut args = Args {
        seed: 20_260_301,
        kinds: Kind::ALL.to_vec(),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("seed") => args.seed = parser.value()?.parse()?,
            Long("traces") => {
                let names = parser.value()?.string()?;
                let kinds = names.split(',').map(Kind::by_name);
                args.kinds = kinds.collect::<Option<_>>().ok_or("no such trace")?;
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    Ok(args)
}

/// Opens the ports of a trace; what there is to know of it, and what is wrong with it.
fn serve(kind: Kind, seed: u64) -> Result<(About, Vec<String>), Box<dyn Error>> {
    let (burst, paced) = (
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    );
    let (burst_port, paced_port) = (burst.local_addr()?.port(), paced.local_addr()?.port());
    // A trace is the same whichever port it comes from.
    let trace = Trace::new(kind, seed, &format!("ws://127.0.0.1:{burst_port}"));
    let mut streams = BTreeMap::new();
    for compression in Compression::ALL {
        streams.insert(compression, Arc::new(trace.encode(compression)));
    }
    let ratio = |compression| {
        let payload: usize = streams.get(&compression).map_or(0, |stream| stream.payload);
        trace.bytes() as f64 / payload.max(1) as f64
    };
    let (zlib_ratio, zstd_ratio) = (ratio(Compression::Zlib), ratio(Compression::Zstd));
    let about = About {
        burst: burst_port,
        paced: paced_port,
        prelude: trace.prelude.len(),
        events: trace.frames.len(),
        paced_events: trace.frames.len().min(conn::PACED_MAX),
        narrowed: trace.narrowed,
        mean_bytes: trace.mean_bytes(),
        zlib_ratio,
        zstd_ratio,
    };
    let problems = trace.problems(zlib_ratio, zstd_ratio);
    drop(trace);
    let pace = match kind {
        Kind::Memory => Pace::Turns,
        _ => Pace::Paced,
    };
    for (listener, pace) in [(burst, Pace::Burst), (paced, pace)] {
        let port = Arc::new(Port::new(
            listener.local_addr()?.port(),
            pace,
            streams.clone(),
        ));
        thread::spawn(move || accept(&listener, &port));
    }
    Ok((about, problems))
}

fn accept(listener: &TcpListener, port: &Arc<Port>) {
    while let Ok((stream, _)) = listener.accept() {
        let port = Arc::clone(port);
        // Thousands of them may wait at a time.
        let thread = thread::Builder::new().stack_size(128 << 10);
        let serve = move || {
            // A client that leaves is no fault.
            let _left = port.serve(stream);
        };
        thread.spawn(serve).expect("a thread");
    }
}
