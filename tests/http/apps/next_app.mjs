// The test app on Next: its own production server, of what `next build` has made.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const next = createRequire(import.meta.url).resolve("next/dist/bin/next");
const place = fileURLToPath(new URL("../../../target/next/next", import.meta.url));
const server = spawn(process.execPath, [next, "start", place, "--port", "0", "--hostname", "127.0.0.1"], {
  env: { ...process.env, KEYWRIGHT_SETUP: process.argv[2] },
  stdio: ["ignore", "pipe", "inherit"],
});
let port;
for await (const line of createInterface(server.stdout)) {
  port ??= /http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
  if (line.includes("Ready")) break;
}
// It runs instrumentation.js at the first request.
await fetch(`http://127.0.0.1:${port}/`);
console.log("listening", port);
process.stdin.resume().on("end", () => server.kill());
