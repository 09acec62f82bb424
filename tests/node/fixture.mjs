import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Keywright } from "keywright";

export const PEPPER = "pepper for tests, thirty-two bytes or more";

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
