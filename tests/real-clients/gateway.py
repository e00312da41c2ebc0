"""The local gateway as a process, with made-up events, and what must be true of a client's stay."""

import json
import os
import subprocess
import tempfile

EVENTS = 60
CUT_AFTER = 25
INTERVAL_MS = 20
# Made up. Clients read the bot's id, 1000000000000000001, out of the first part.
TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAwMQ.made.up"


def frames():
    """Messages of one channel of a guild; their ids count up."""
    guild, channel, author = "500000000000000001", "500000000000000002", "500000000000000003"
    for number in range(EVENTS):
        yield {
            "op": 0, "t": "MESSAGE_CREATE", "s": number,
            "d": {
                "id": str(600000000000000000 + number), "channel_id": channel, "guild_id": guild,
                "author": {"id": author, "username": "pilot", "discriminator": "0",
                           "global_name": None, "avatar": None},
                "content": f"buoy {number}", "timestamp": "2026-02-03T04:05:06.000000+00:00",
                "edited_timestamp": None, "tts": False, "mention_everyone": False,
                "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
                "pinned": False, "type": 0, "flags": 0, "components": [],
            },
        }


EXPECTED = [f"buoy {number}" for number in range(EVENTS)]


class Gateway:
    """Serves the frames, and cuts the connection once in the middle of them."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "frames.jsonl")
        with open(path, "w", encoding="utf-8") as out:
            for frame in frames():
                out.write(json.dumps(frame) + "\n")
        arguments = [
            os.path.abspath(program), "--frames", path, "--interval-ms", str(INTERVAL_MS),
            "--cut-after", str(CUT_AFTER), "--heartbeat-ms", "1000",
        ]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        _, self.ws, self.http = self.process.stdout.readline().split()

    def stop(self):
        """What it saw: a record a line, and the counts."""
        self.process.terminate()
        lines = [json.loads(line) for line in self.process.stdout.read().splitlines()]
        self.process.wait()
        self.folder.cleanup()
        return lines[:-1], lines[-1]["sent"]


def judge(name, got, records, sent, query):
    """Prints what was seen; the status to exit with."""
    targets = [record["target"] for record in records if record["act"] == "connect"]
    refused = [record["reason"] for record in records if record["act"] == "refused"]
    checks = {
        "every event once and in order": got == EXPECTED,
        "one identify": (sent["identifies"], sent["readies"]) == (1, 1),
        "one resume": (sent["resumes"], sent["resumed"]) == (1, 1),
        "two connections": sent["connections"] == 2,
        # The last one may cross the client's leaving.
        "heartbeats": sent["acks"] > 0 and sent["heartbeats"] - sent["acks"] <= 1,
        "nothing refused": not refused,
        f"asks for {query}": all(query in target for target in targets),
        "version 10": all("v=10" in target for target in targets),
    }
    missing = [check for check, is_true in checks.items() if not is_true]
    seen = {"client": name, "events": len(got), "missing": missing, "sent": sent}
    if missing:
        seen |= {"got": got, "refused": refused, "targets": targets}
    print(json.dumps(seen))
    return 1 if missing else 0
