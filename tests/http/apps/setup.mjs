// Shared parts of the Node test apps: reading the set-up, and a server that runs until its input ends.

import { readFileSync } from "node:fs";
import { Keywright } from "keywright";
import { ManualClock } from "keywright/testing";

const camel = (name) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
const spelt = (options) => Object.fromEntries(Object.entries(options).map(([name, it]) => [camel(name), it]));

export const given = JSON.parse(readFileSync(process.env.KEYWRIGHT_SETUP ?? process.argv[2], "utf8"));
export const http = spelt(given.http);
export const principal = given.principal ? async () => given.principal : undefined;
export const kw = new Keywright(given.url, { ...spelt(given.engine), clock: new ManualClock(new Date(given.now)) });

/** The answer of every app to an allowed request. */
export const told = ({ principal, key, org, agent }) => ({ principal, key: key?.name ?? null, org, agent });

const runs = {};

/** The number of runs of a target. */
export const counted = (target) => ({ count: (runs[target] = (runs[target] ?? 0) + 1) });

export function stand(server) {
  server.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));
  process.stdin.resume().on("end", () => process.exit());
}
