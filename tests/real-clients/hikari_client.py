"""Does hikari accept the local gateway as Discord's? README.md says how to run it."""

import asyncio
import os
import sys

import gateway

try:
    import hikari
except ImportError as missing:
    print(f"skipped: {missing}; see tests/real-clients/README.md")
    sys.exit(77)

PATIENCE_S = 40


async def run_client(server):
    got, done = [], asyncio.Event()
    bot = hikari.GatewayBot(
        gateway.TOKEN, banner=None, logs="ERROR", intents=hikari.Intents.ALL,
        rest_url=server.http, auto_chunk_members=False, suppress_optimization_warning=True,
    )

    @bot.listen()
    async def on_message(event: hikari.MessageCreateEvent) -> None:
        got.append(event.content)
        if len(got) == gateway.EVENTS:
            done.set()

    try:
        async with asyncio.timeout(PATIENCE_S):
            await bot.start(check_for_updates=False)
            await done.wait()
            # What came twice would come now.
            await asyncio.sleep(0.5)
    except TimeoutError:
        pass
    await bot.close()
    return got


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: hikari_client.py PATH_OF_LOCAL_GATEWAY")
    server = gateway.Gateway(sys.argv[1])
    try:
        got = asyncio.run(run_client(server))
    finally:
        records, sent = server.stop()
    name = f"hikari {hikari.__version__}"
    status = gateway.judge(name, got, records, sent, "compress=zlib-stream")
    sys.stdout.flush()
    os._exit(status)


main()
