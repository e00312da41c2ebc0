"""discord.py with its cache, as a bot has it by default, and no listeners."""

import asyncio
import logging

import discord
import yarl
from discord import gateway, http

from meter import Meter

TOKEN = "MTAwMDAwMDAwMDAwMDAwMDAwMQ.made.up"


async def run():
    # HELLO comes in the same way.
    meter = Meter(discord.__version__, more_skipped=1)
    # Where REST and gateway are is no setting of the client; all else of it stays.
    http.Route.BASE = f"http://127.0.0.1:{meter.port}"
    gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(f"ws://127.0.0.1:{meter.port}")
    logging.disable(logging.ERROR)
    handle = gateway.DiscordWebSocket.received_message

    async def received_message(self, message, /):
        await handle(self, message)
        if meter.take():
            meter.report()

    gateway.DiscordWebSocket.received_message = received_message
    await discord.Client(intents=discord.Intents.all()).start(TOKEN)


asyncio.run(run())
