"""Does qq-botpy accept the local gateway as QQ's? README.md says how to run it."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile

try:
    import aiohttp
    import botpy
except ImportError as missing:
    print(f"skipped: {missing}; see tests/real-clients/README.md")
    sys.exit(77)

EVENTS = 90
# Two recycles fall into the events, which take four and a half seconds.
INTERVAL_MS = 50
RECYCLE_MS = 1200
PATIENCE_S = 40

# Made up; of each the callback that the client has for it.
FRAMES = [
    ("on_at_message_create", {
        "op": 0, "s": 9, "t": "AT_MESSAGE_CREATE", "id": "AT_MESSAGE_CREATE:buoy-1",
        "d": {
            "id": "buoy-1", "channel_id": "500100", "guild_id": "12345678901234567890",
            "content": "how deep is it?", "timestamp": "2026-02-03T04:05:06+08:00",
            "author": {"id": "77", "username": "pilot", "bot": False},
            "member": {"joined_at": "2026-01-01T00:00:00+08:00", "roles": ["4"]},
            "seq_in_channel": "12",
        },
    }),
    ("on_c2c_message_create", {
        "op": 0, "t": "C2C_MESSAGE_CREATE", "id": "C2C_MESSAGE_CREATE:buoy-2",
        "d": {
            "id": "ROBOT1.0_buoy", "author": {"user_openid": "OPEN1"}, "content": "ahoy",
            "timestamp": "2026-02-03T04:05:07+08:00",
        },
    }),
    ("on_group_add_robot", {
        "op": 0, "s": 1, "t": "GROUP_ADD_ROBOT", "id": "GROUP_ADD_ROBOT:buoy-3",
        "d": {"timestamp": 1770000000, "group_openid": "G1", "op_member_openid": "M1"},
    }),
]


class Printer(botpy.Client):
    """Notes which callbacks were called."""

    def __init__(self, **options):
        super().__init__(**options)
        self.called = []
        self.done = asyncio.Event()

    async def note(self, name):
        self.called.append(name)
        if len(self.called) == EVENTS:
            self.done.set()

    async def on_at_message_create(self, _):
        await self.note("on_at_message_create")

    async def on_c2c_message_create(self, _):
        await self.note("on_c2c_message_create")

    async def on_group_add_robot(self, _):
        await self.note("on_group_add_robot")


def redirect(base):
    """Sends what is for the platform's hosts to the local gateway; all else of the client stays."""
    request = aiohttp.ClientSession._request

    async def redirected(session, method, url, **options):
        text = str(url)
        for host in ("https://bots.qq.com", "https://api.sgroup.qq.com"):
            if text.startswith(host):
                text = base + text[len(host):]
        return await request(session, method, text, **options)

    aiohttp.ClientSession._request = redirected


async def run_client():
    client = Printer(intents=botpy.Intents.all(), bot_log=None, ext_handlers=False)
    logging.disable(logging.CRITICAL)
    task = asyncio.create_task(client.start(appid="102", secret="s"))
    waiter = asyncio.create_task(client.done.wait())
    await asyncio.wait({task, waiter}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    return client.called


def start_gateway(program, folder):
    frames = os.path.join(folder, "frames.jsonl")
    with open(frames, "w", encoding="utf-8") as out:
        for _, frame in FRAMES:
            out.write(json.dumps(frame) + "\n")
    arguments = [
        program, "--platform", "qq", "--frames", frames, "--repeat", str(EVENTS // len(FRAMES)),
        "--interval-ms", str(INTERVAL_MS), "--recycle-ms", str(RECYCLE_MS),
        # The client waits five seconds divided by this before it connects again.
        "--max-concurrency", "5",
    ]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def judge(called, summary):
    """What did not happen."""
    sent = summary["sent"]
    expected = [FRAMES[index % len(FRAMES)][0] for index in range(EVENTS)]
    checks = {
        "every event once and in order": called == expected,
        "one identify": (sent["identifies"], sent["readies"]) == (1, 1),
        "resumes": sent["resumed"] >= 2 and sent["resumes"] == sent["resumed"],
        "closed by the server": sent["closes_sent"] >= 2,
        # The last one may cross the client's leaving.
        "heartbeats": sent["acks"] > 0 and sent["heartbeats"] - sent["acks"] <= 1,
        "nothing refused": sent["refused"] == 0,
    }
    return [name for name, is_true in checks.items() if not is_true]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: botpy_client.py PATH_OF_LOCAL_GATEWAY")
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        # The client writes its log into the working directory.
        os.chdir(folder)
        gateway = start_gateway(program, folder)
        try:
            _, _, base = gateway.stdout.readline().split()
            redirect(base)
            called = asyncio.run(run_client())
        finally:
            gateway.terminate()
        summary = json.loads(gateway.stdout.read().splitlines()[-1])
        gateway.wait()
        os.chdir("/")
    missing = judge(called, summary)
    print(json.dumps({"events": len(called), "missing": missing, "sent": summary["sent"]}))
    # The client leaves tasks behind that never end.
    sys.stdout.flush()
    os._exit(1 if missing else 0)


main()
