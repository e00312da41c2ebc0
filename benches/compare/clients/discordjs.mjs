// @discordjs/ws: plain objects, as it hands them out. Takes the arguments of the clients in Rust
// and prints the same line.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const args = {};
for (let at = 2; at < process.argv.length; at += 2) {
  args[process.argv[at].slice(2)] = process.argv[at + 1];
}
const modules = process.env.COMPARE_MODULES + "/";
const require = createRequire(modules);
const { CompressionMethod, WebSocketManager, WebSocketShardEvents } = require("@discordjs/ws");
const { REST } = require("@discordjs/rest");
const about = JSON.parse(readFileSync(modules + "node_modules/@discordjs/ws/package.json"));

const token = "MTAwMDAwMDAwMDAwMDAwMDAwMQ.made.up";
const manager = new WebSocketManager({
  token,
  intents: 53608447,
  compression: args.compression === "zlib" ? CompressionMethod.ZlibNative : null,
  rest: new REST({ api: `http://127.0.0.1:${args.port}`, version: "10" }).setToken(token),
});

const skip = Number(args.skip);
const end = skip + Number(args.events);
let taken = 0;
let errors = 0;
let begin;
let first;
manager.on(WebSocketShardEvents.Dispatch, () => {
  taken += 1;
  if (taken === skip) begin = process.cpuUsage();
  else if (taken === skip + 1) first = process.hrtime.bigint();
  if (taken === end) report();
});
manager.on(WebSocketShardEvents.Error, (error) => {
  errors += 1;
  console.error(error);
});

function report() {
  const used = process.cpuUsage(begin);
  const wall = Number(process.hrtime.bigint() - first);
  const status = readFileSync("/proc/self/status", "utf8");
  const line = JSON.stringify({
    version: about.version,
    events: end - skip,
    errors,
    user_ns: used.user * 1000,
    system_ns: used.system * 1000,
    wall_ns: wall,
    peak_kb: Number(/VmHWM:\s*(\d+)/.exec(status)[1]),
  });
  process.stdout.write(line + "\n", () => process.exit(0));
}

await manager.connect();
