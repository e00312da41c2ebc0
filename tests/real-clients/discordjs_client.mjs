// The part of @discordjs/ws: connects, prints a line of JSON for each message, and leaves once it
// has as many as it was told. `discordjs_client.py` starts it.

import { createRequire } from "node:module";

const [rest, token, events, modules] = process.argv.slice(2);
const require = createRequire(modules + "/");
const { CompressionMethod, WebSocketManager, WebSocketShardEvents } =
  require("@discordjs/ws");
const { REST } = require("@discordjs/rest");

const manager = new WebSocketManager({
  token,
  intents: 512,
  compression: CompressionMethod.ZlibNative,
  rest: new REST({ api: rest, version: "10" }).setToken(token),
});
let count = 0;
manager.on(WebSocketShardEvents.Dispatch, async (payload) => {
  const data = payload.data ?? payload;
  if (data.t !== "MESSAGE_CREATE") return;
  console.log(JSON.stringify(data.d.content));
  count += 1;
  if (count === Number(events)) {
    // What came twice would come now; and its first heartbeat, which goes out after a part by chance
    // of the interval of 1 s.
    setTimeout(async () => {
      await manager.destroy();
      process.exit(0);
    }, 1500);
  }
});
manager.on(WebSocketShardEvents.Error, (error) => console.error(error));
await manager.connect();
