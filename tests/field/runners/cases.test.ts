// For Jest and vitest, which share these globals.

import { cases, onExpress, site } from "./cases";

declare const test: any, expect: any, jest: any, vi: any;
const runner = typeof jest === "undefined" ? vi : jest;
const PATIENCE = 300_000;

for (const [name, run] of Object.entries(cases)) test(name, run, PATIENCE);

test("modules that are loaded again share an engine, on Express", async () => {
  const { kw, api_key } = await site();
  for (let turn = 0; turn < 20; turn++) {
    runner.resetModules();
    const { KeywrightError } = await import("keywright");
    await expect(kw.keys.find("acme_live_000000000000")).rejects.toBeInstanceOf(KeywrightError);
    const { guard } = await import("keywright/express");
    await onExpress(guard);
  }
  expect((await kw.verify(api_key)).allowed).toBe(true);
  expect(process.listenerCount("exit")).toBeLessThan(10);
  await kw.close();
}, PATIENCE);

test("timers of a runner do not stop a verification", async () => {
  const { kw, api_key } = await site();
  runner.useFakeTimers();
  try {
    const { key } = await kw.verify(api_key);
    expect(key.created_at.toISOString()).toBe(key.toJSON().created_at);
  } finally {
    runner.useRealTimers();
  }
  await kw.close();
}, PATIENCE);
