// The event loop of Node, on the main thread or, with a third argument, on a worker thread, for test_waiting.py.

import { createInterface } from "node:readline";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { Keywright } from "keywright";

async function serve([url, pepper], lines, say) {
  const kw = new Keywright(url, { brand: "liq", pepper });
  await kw.open();
  const running = [];
  const work = {
    ping: () => say("pong"),
    verify: (text) => running.push(kw.verify(text).then((it) => say(`verified ${it.code ?? "allowed"}`))),
    create: (name) => running.push(kw.keys.create({ name }).then((it) => say(`created ${it.name}`))),
  };
  say("ready");
  for await (const line of lines) {
    const [word, rest] = line.split(" ");
    work[word](rest);
  }
  await Promise.all(running);
  await kw.close();
}

async function* messages() {
  const queue = [];
  let wake = () => {};
  parentPort.on("message", (line) => {
    queue.push(line);
    wake();
  });
  for (;;) {
    while (queue.length) {
      const line = queue.shift();
      if (line === null) return parentPort.close();
      yield line;
    }
    await new Promise((done) => (wake = done));
  }
}

const say = (line) => console.log(line);
if (!isMainThread) {
  await serve(workerData, messages(), (line) => parentPort.postMessage(line));
} else if (process.argv[4] === "worker") {
  const worker = new Worker(new URL(import.meta.url), { workerData: process.argv.slice(2, 4) });
  worker.on("message", say);
  for await (const line of createInterface(process.stdin)) worker.postMessage(line);
  worker.postMessage(null);
} else {
  await serve(process.argv.slice(2, 4), createInterface(process.stdin), say);
}
