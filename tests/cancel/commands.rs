//! A command is sent once or not at all, and a request that nobody waits for any more is gone.

use serde_json::{Value, json};
use shardstream::{
    Error, Id, Limits, Sender, Shard, ShardId,
    discord::{Discord, RequestGuildMembers},
    handler::Bot,
    local::{Fault, Gateway, Moment, Step},
};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    bench::{Bench, LONG},
    knife::{Knife, at_every_poll},
};

/// Room for one command.
fn narrow() -> Limits {
    let mut limits = Limits::default();
    limits.commands_max = 1;
    limits
}

/// Takes events until the end.
fn drain(mut shard: Shard) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            if shard
                .next_event()
                .await
                .is_err_and(|error| error.is_fatal())
            {
                return;
            }
        }
    })
}

/// Goal: a command whose future was dropped is not queued, and one whose future was done is sent
/// once. Method: the queue is full until the session is live; what was dropped is given once more.
fn sent_once(
    name: &str,
    send: impl AsyncFn(&Sender<Discord>, &Knife, u64) -> Option<Result<(), Error>>,
) {
    at_every_poll(name, async |knife| {
        let bench = Bench::new();
        let limits = narrow();
        let config = bench.config().limits(limits).build().unwrap();
        let shard = Shard::with_config(ShardId::ONE, config);
        let commands = shard.sender();
        commands.try_send_payload(4, &0).unwrap();
        let taking = drain(shard);
        for n in 1..4 {
            let mut queued = None;
            while queued.is_none() {
                queued = send(&commands, knife, n).await;
            }
            queued.unwrap().unwrap();
        }
        sleep(LONG).await;
        taking.abort();
        (bench.commands(), commands.room())
    });
}

#[test]
fn a_payload_is_sent_once_or_not_at_all() {
    sent_once("Sender::send_payload", async |sender, knife, n| {
        knife.cut(sender.send_payload(4, &n)).await
    });
}

#[test]
fn a_command_is_sent_once_or_not_at_all() {
    // Each for another guild, because of those for one the latest would be enough.
    sent_once("Sender::command", async |sender, knife, n| {
        let request = RequestGuildMembers::query(Id::new(n), "a", 1)
            .unwrap()
            .nonce("x")
            .unwrap();
        knife.cut(sender.command(&request)).await
    });
}

#[test]
fn a_payload_through_a_bot_is_sent_once_or_not_at_all() {
    at_every_poll("handler::Handle::send_payload", async |knife| {
        let bench = Bench::new();
        let limits = narrow();
        let bot = Bot::with_config(bench.config().limits(limits).build().unwrap());
        let handle = bot.handle();
        let running = tokio::spawn(bot.run());
        for n in 0..4 {
            knife
                .cut_and_repeat(async || handle.send_payload(4, &n).await)
                .await
                .unwrap();
        }
        sleep(LONG).await;
        handle.stop();
        running.await.unwrap().unwrap();
        bench.commands()
    });
}

fn members(guild: u64) -> Bench {
    let member = |id: u64| {
        let user = json!({"id": id.to_string(), "username": "x", "discriminator": "0",
            "avatar": null});
        json!({"user": user,
            "roles": [], "joined_at": null, "deaf": false, "mute": false, "flags": 0})
    };
    let all: Vec<_> = (0..2500).map(member).collect();
    Bench::with(Gateway::builder().members(guild, all))
}

/// Goal: a request that is dropped gives up. It is not sent later, or twice; it takes no place of
/// those under way, of which a shard has 16; and the next is answered as if it had not been.
///
/// Method: twenty at each poll, dropped one after the other, and then one that is waited for.
/// With `is_cut` the connection is lost when the first request comes, which is then sent again.
fn gives_up(name: &str, request: fn() -> RequestGuildMembers, is_cut: bool) {
    at_every_poll(name, async |knife| {
        let bench = members(7);
        if is_cut {
            bench
                .gateway
                .misbehave([Fault::at(Moment::Command(8), [Step::Rst])]);
        }
        let shard = bench.shard();
        let handle = shard.handle();
        let taking = drain(shard);
        let first = knife.cut(handle.request_members(request())).await;
        if knife.has_cut() {
            assert!(first.is_none());
            sleep(LONG).await;
            let sent = bench.commands().len();
            assert!(sent <= 1 + usize::from(is_cut), "{sent} were sent");
        }
        let answer = handle.request_members(request()).await.unwrap();
        let nonces: Vec<_> = bench
            .commands()
            .into_iter()
            .map(|(_, data)| serde_json::from_str::<Value>(&data).unwrap()["nonce"].to_string())
            .collect();
        let mut different = nonces.clone();
        different.sort();
        different.dedup();
        assert_eq!(nonces.len(), different.len(), "a request was sent twice");
        assert!(nonces.len() <= 2 + usize::from(is_cut), "{nonces:?}");
        // As many as are under way at a time, and more.
        let narrow = || RequestGuildMembers::query(Id::new(7), "x", 1).unwrap();
        let others: Vec<_> = (0..20)
            .map(|_| tokio::spawn(handle.request_members(narrow())))
            .collect();
        for other in others {
            assert_eq!(other.await.unwrap().unwrap().members.len(), 1);
        }
        taking.abort();
        answer.members.len()
    });
}

#[test]
fn request_members_gives_up_when_it_is_dropped() {
    let some = || RequestGuildMembers::query(Id::new(7), "x", 100).unwrap();
    let all = || RequestGuildMembers::all(Id::new(7));
    gives_up("request_members (some)", some, false);
    gives_up("request_members (all)", all, false);
    gives_up("request_members (some, after a cut)", some, true);
    gives_up("request_members (all, after a cut)", all, true);
}

/// The same between the events that its own shard gives.
#[test]
fn request_members_of_a_shard_in_hand_gives_up_when_it_is_dropped() {
    at_every_poll("Shard::request_members", async |knife| {
        let bench = members(7);
        let mut shard = bench.shard();
        let request = || RequestGuildMembers::query(Id::new(7), "x", 100).unwrap();
        let mut answered = None;
        let mut parts = 0;
        while answered.is_none() {
            let asking = shard.request_members(request());
            let asking = knife.cut(asking);
            tokio::pin!(asking);
            let answer = loop {
                tokio::select! {
                    biased;
                    answer = &mut asking => break answer,
                    event = shard.next_event() => parts += usize::from(event.is_ok()),
                }
            };
            answered = answer;
        }
        assert!(parts > 0);
        (
            answered.unwrap().unwrap().members.len(),
            shard.sender().room(),
        )
    });
}
