//! The example `metrics`, as a monitoring system sees it.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::process::Program;

/// What is answered: the status and the body.
fn get(url: &str) -> (u16, String) {
    let (address, path) = url
        .trim_start_matches("http://")
        .split_once('/')
        .expect("a path");
    let mut server = TcpStream::connect(address).expect("it listens");
    server
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout");
    write!(server, "GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    server.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

#[test]
fn the_metrics_example_answers_what_was_counted_and_whether_all_is_well() {
    let mut program = Program::start::<&str>("metrics", &[], "warn");
    let line = program.line().expect("the urls");
    let (metrics, health) = line.split_once(' ').expect("two urls");

    // Once the feed is through and the cut connection resumed, nothing moves any more.
    let wanted = [
        "shardstream_connects{platform=\"discord\",shard=\"0\",total=\"1\"} 2",
        "shardstream_disconnects{platform=\"discord\",shard=\"0\",total=\"1\",cause=\"cut\"} 1",
        "shardstream_events{platform=\"discord\",shard=\"0\",total=\"1\",event=\"MESSAGE_CREATE\"} 2",
        "shardstream_events{platform=\"discord\",shard=\"0\",total=\"1\",event=\"READY\"} 1",
        "shardstream_events{platform=\"discord\",shard=\"0\",total=\"1\",event=\"RESUMED\"} 1",
        "shardstream_identifies{platform=\"discord\",shard=\"0\",total=\"1\"} 1",
        "shardstream_ready{platform=\"discord\",shard=\"0\",total=\"1\"} 1",
        "shardstream_resumes{platform=\"discord\",shard=\"0\",total=\"1\"} 1",
        "shardstream_state{platform=\"discord\",shard=\"0\",total=\"1\",state=\"active\"} 1",
        "# TYPE shardstream_heartbeats counter",
        "# HELP shardstream_resumes RESUMEs sent",
    ];
    let begin = Instant::now();
    loop {
        let (status, text) = get(metrics);
        assert_eq!(status, 200);
        let missing = wanted
            .iter()
            .find(|line| !text.lines().any(|known| known == **line));
        let Some(missing) = missing else { break };
        assert!(begin.elapsed().as_secs() < 30, "no {missing}\n{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(get(health), (200, "ready".to_owned()));
    assert_eq!(get(&metrics.replace("/metrics", "/")).0, 404);
}
