"""hikari with its cache, as a bot has it by default, and no listeners."""

import asyncio

import hikari

from meter import Meter

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAwMQ.made.up"


async def run():
    meter = Meter(hikari.__version__)
    bot = hikari.GatewayBot(
        TOKEN, banner=None, logs="ERROR", intents=hikari.Intents.ALL,
        rest_url=f"http://127.0.0.1:{meter.port}", auto_chunk_members=False,
        suppress_optimization_warning=True,
    )
    consume = bot.event_manager.consume_raw_event
    done = asyncio.Event()

    def consume_raw_event(*args):
        consume(*args)
        if meter.take():
            done.set()

    # Slots keep it from being set on the object.
    type(bot.event_manager).consume_raw_event = lambda _, *args: consume_raw_event(*args)
    await bot.start(check_for_updates=False)
    running = len(asyncio.all_tasks())
    await done.wait()
    # Each event is handled in a task.
    while len(asyncio.all_tasks()) > running:
        await asyncio.sleep(0.005)
    meter.report()


asyncio.run(run())
