import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { Keywright } from "keywright";

export const PEPPER = "pepper for tests, thirty-two bytes or more";

/** Milliseconds: longer than anything here takes on a busy machine, so that only what never comes runs out of them. */
export const PATIENCE = 300_000;

/** Waits until something holds. */
export async function until(what, holds) {
  const deadline = performance.now() + PATIENCE;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await pause(5);
  }
}

/** A folder of its own for one test. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "keywright-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** The URL of a database that does not exist yet. */
export function url(t) {
  return `sqlite:${join(folder(t), "keys.db")}`;
}

/** An engine on a file of its own. */
export function engine(t, options = {}) {
  const kw = new Keywright(url(t), { brand: "liq", pepper: PEPPER, ...options });
  t.after(() => kw.close());
  return kw;
}

/** A principal that may manage the keys of one org. */
export const managers = async () => ({ org: "acme", actor: "alice", may: ["keys:manage"] });

/** Has a server of Node listen; what asks it, each time on a connection of its own. */
export async function asks(t, server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address();
  return (path, { method = "GET", headers = {}, body } = {}) =>
    new Promise((done, failed) => {
      const asked = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, async (response) => {
        let text = "";
        for await (const part of response.setEncoding("utf8")) text += part;
        asked.destroy();
        done({ status: response.statusCode, headers: response.headers, text });
      });
      asked.on("error", failed);
      if (body instanceof Readable) body.pipe(asked);
      else asked.end(body);
    });
}
