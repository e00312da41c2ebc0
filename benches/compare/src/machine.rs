//! Where and when it was measured.

use std::{fs, process::Command};

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub rustc: String,
    /// In UTC.
    pub date: String,
    /// The load of the minute before the first run.
    pub load: String,
    /// The crates that were measured, as they were locked.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let first = |text: String| {
            text.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            cpu: model
                .map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']))
                .to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: output("rustc", "--version"),
            date: output("date", "-uI"),
            load: first(read("/proc/loadavg")),
            versions: versions(&read("Cargo.lock")),
        }
    }
}

fn output(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

fn versions(lock: &str) -> Vec<(String, String)> {
    const SHOWN: [&str; 8] = [
        "serenity",
        "shardstream",
        "tokio",
        "tokio-websockets",
        "twilight-gateway",
        "twilight-model",
        "zlib-rs",
        "zstd-sys",
    ];
    let value = |block: &str, name: &str| {
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let package = |block: &str| Some((value(block, "name")?, value(block, "version")?));
    let packages = lock.split("[[package]]").filter_map(package);
    packages
        .filter(|(name, _)| SHOWN.contains(&name.as_str()))
        .collect()
}
