// The client of a server beside the same request by fetch: `client.mjs FIGURES PORT VERIFIER TEXT`.

import { Client } from "keywright";

import { race } from "./timing.mjs";

const [out, port, verifier, text] = process.argv.slice(2);
const place = `http://127.0.0.1:${port}`;
const client = new Client(place, { apiKey: verifier });
const headers = { authorization: `Bearer ${verifier}`, "content-type": "application/json" };
/** How many requests are timed at once. */
const CALLS = 50;

/** Makes `CALLS` requests, one after the other. */
const requests = (name, isAllowed) => ({
  name,
  times: CALLS,
  call: async () => {
    for (let call = 0; call < CALLS; call++) if (!(await isAllowed())) return false;
    return true;
  },
});

async function fetched(limits) {
  const answer = await fetch(`${place}/verify`, { method: "POST", headers, body: JSON.stringify({ api_key: text }), ...limits() });
  return (await answer.json()).allowed;
}

await race(out, 5, [
  requests("`await client.verify(text)`", async () => (await client.verify(text)).allowed),
  requests("the same request by fetch", () => fetched(() => ({ signal: AbortSignal.timeout(10_000) }))),
  requests("a request by fetch that may take for ever", () => fetched(() => ({}))),
]);
await client.close();
