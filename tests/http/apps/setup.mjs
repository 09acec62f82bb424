// Shared parts of the Node test apps: the set-up, and a server for it.

import { readFileSync } from "node:fs";
import { Keywright } from "keywright";
import { ManualClock } from "keywright/testing";

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const spelt = (options) => Object.fromEntries(Object.entries(options).map(([name, it]) => [camel(name), it]));

export let http;
export let principal;
export let kw;
let runs;
let server;

/** Makes the engine of a set-up, which the app finds in this module. */
export function open(path) {
  const given = JSON.parse(readFileSync(path, "utf8"));
  http = spelt(given.http);
  principal = given.principal ? async () => given.principal : undefined;
  kw = new Keywright(given.url, { ...spelt(given.engine), clock: new ManualClock(new Date(given.now)) });
  runs = {};
}

// A process of Next has one set-up.
if (process.env.KEYWRIGHT_SETUP) open(process.env.KEYWRIGHT_SETUP);

/** The answer of every app to an allowed request. */
export const told = ({ principal, key, org, agent }) => ({ principal, key: key?.name ?? null, org, agent });

/** The number of runs of a target. */
export const counted = (target) => ({ count: (runs[target] = (runs[target] ?? 0) + 1) });

export function stand(given) {
  server = given;
  server.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));
}

/** Stops the server and the engine. */
export async function close() {
  server.close();
  server.closeAllConnections();
  await kw.close();
}
