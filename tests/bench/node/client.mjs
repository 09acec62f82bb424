// The client of a server beside the same request by fetch: `client.mjs FIGURES PORT VERIFIER TEXT`.

import { Client } from "keywright";

import { race } from "./timing.mjs";

const [out, port, verifier, text] = process.argv.slice(2);
const place = `http://127.0.0.1:${port}`;
const client = new Client(place, { apiKey: verifier });
const headers = { authorization: `Bearer ${verifier}`, "content-type": "application/json" };
/** How many requests are timed at once. */
const CALLS = 50;

await race(out, 5, [
  {
    name: "`await client.verify(text)`",
    times: CALLS,
    call: async () => {
      for (let call = 0; call < CALLS; call++) if (!(await client.verify(text)).allowed) return false;
      return true;
    },
  },
  {
    name: "the same request by fetch",
    times: CALLS,
    call: async () => {
      for (let call = 0; call < CALLS; call++) {
        const answer = await fetch(`${place}/verify`, { method: "POST", headers, body: JSON.stringify({ api_key: text }) });
        if (!(await answer.json()).allowed) return false;
      }
      return true;
    },
  },
]);
await client.close();
