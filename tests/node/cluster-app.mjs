// The application of cluster.test.mjs: four workers of Node's cluster, and the limits that they share.
import cluster from "node:cluster";
import express from "express";
import { Keywright } from "keywright";
import { guard } from "keywright/express";

/** Requests a minute and at once, for all keys of an org together. */
export const LIMITS = { read: [100, 20], write: [30, 10], card_creation: [10, 5] };

/** Requests a minute and at once, for each key of a tier, and the cost of a request. */
export const TIERS = { basic: 100, standard: 1_000, premium: 10_000 };
export const COST = 20;

const WORKERS = 4;

function work() {
  const rows = Object.entries(LIMITS);
  const limits = Object.fromEntries(
    rows.map(([name, [rate, burst]]) => [name, { rate, burst, per: "org", operation: name }]),
  );
  const limiter = process.env.KEYWRIGHT_TEST_LIMITER;
  const kw = new Keywright(process.env.DATABASE, {
    brand: "lk",
    pepper: process.env.PEPPER,
    limits,
    tiers: TIERS,
    limiter,
  });
  const operations = rows.map(([name]) => ({ path: `/${name}`, operation: name }));
  const routes = [{ path: "/tier", cost: COST }, ...operations];
  const app = express().use(guard(kw, { routes }));
  app.use((_request, response) => response.end());
  app.listen(0, "127.0.0.1");
}

if (cluster.isWorker) work();
else if (process.env.DATABASE) {
  let ready = 0;
  cluster.on("listening", (_worker, { port }) => {
    ready += 1;
    if (ready === WORKERS) process.send(port);
  });
  for (let worker = 0; worker < WORKERS; worker += 1) cluster.fork();
  process.on("disconnect", () => process.exit());
}
