"""Does discord.py accept the local gateway as Discord's? README.md says how to run it."""

import asyncio
import logging
import os
import sys

import gateway

try:
    import discord
    import yarl
    from discord import gateway as its_gateway, http as its_http
except ImportError as missing:
    print(f"skipped: {missing}; see tests/real-clients/README.md")
    sys.exit(77)

PATIENCE_S = 40


class Listener(discord.Client):
    """Keeps the text of each message."""

    def __init__(self, done):
        super().__init__(intents=discord.Intents.all())
        self.got = []
        self.done = done

    async def on_message(self, message):
        self.got.append(message.content)
        if len(self.got) == gateway.EVENTS:
            self.done.set()


async def run_client(server):
    # Where REST and gateway are is no setting of the client; all else of it stays.
    its_http.Route.BASE = server.http
    its_gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.ws)
    logging.disable(logging.CRITICAL)
    done = asyncio.Event()
    client = Listener(done)
    task = asyncio.create_task(client.start(gateway.TOKEN))
    waiter = asyncio.create_task(done.wait())
    await asyncio.wait({task, waiter}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    # What came twice would come now.
    await asyncio.sleep(0.5)
    await client.close()
    for ending in (task, waiter):
        ending.cancel()
    ended = (await asyncio.gather(task, waiter, return_exceptions=True))[0]
    if isinstance(ended, Exception):
        print(f"discord.py: {ended!r}", file=sys.stderr)
    return client.got


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: discordpy_client.py PATH_OF_LOCAL_GATEWAY")
    server = gateway.Gateway(sys.argv[1])
    try:
        got = asyncio.run(run_client(server))
    finally:
        records, sent = server.stop()
    name = f"discord.py {discord.__version__}"
    status = gateway.judge(name, got, records, sent, "compress=zlib-stream")
    sys.stdout.flush()
    os._exit(status)


main()
