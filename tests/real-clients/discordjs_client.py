"""Does @discordjs/ws accept the local gateway as Discord's? README.md says how to run it."""

import json
import os
import shutil
import subprocess
import sys

import gateway

PATIENCE_S = 40


def skip(why):
    print(f"skipped: {why}; see tests/real-clients/README.md")
    sys.exit(77)


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: discordjs_client.py PATH_OF_LOCAL_GATEWAY FOLDER_OF_NODE_MODULES")
    modules = os.path.abspath(sys.argv[2])
    about = os.path.join(modules, "node_modules", "@discordjs", "ws", "package.json")
    if shutil.which("node") is None:
        skip("no node")
    if not os.path.exists(about):
        skip("no @discordjs/ws")
    with open(about, encoding="utf-8") as text:
        version = json.load(text)["version"]
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "discordjs_client.mjs")
    server = gateway.Gateway(sys.argv[1])
    arguments = ["node", script, server.http, gateway.TOKEN, str(gateway.EVENTS), modules]
    lines = b""
    try:
        lines = subprocess.run(
            arguments, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=False
        ).stdout
    except subprocess.TimeoutExpired as late:
        lines = late.stdout or b""
    finally:
        records, sent = server.stop()
    got = [json.loads(line) for line in lines.decode().splitlines()]
    name = f"@discordjs/ws {version}"
    sys.exit(gateway.judge(name, got, records, sent, "compress=zlib-stream"))


main()
