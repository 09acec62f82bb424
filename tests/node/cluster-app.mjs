// The application of cluster.test.mjs: four workers of Node's cluster, and a table of limits that they share.
import cluster from "node:cluster";
import express from "express";
import { Keywright } from "keywright";
import { guard } from "keywright/express";

export const LIMITS = { read: [100, 20], write: [30, 10], card_creation: [10, 5] };

const WORKERS = 4;

function work() {
  const rows = Object.entries(LIMITS);
  const limits = Object.fromEntries(
    rows.map(([name, [rate, burst]]) => [name, { rate, burst, per: "org", operation: name }]),
  );
  const kw = new Keywright(process.env.DATABASE, { brand: "lk", pepper: process.env.PEPPER, limits });
  const routes = rows.map(([name]) => ({ path: `/${name}`, operation: name }));
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
