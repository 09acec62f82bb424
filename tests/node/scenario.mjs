// The interpreter of scenarios: steps on an engine whose clock they move.

import assert from "node:assert/strict";
import { Keywright, KeywrightError } from "keywright";
import { ManualClock } from "keywright/testing";
import { camel, check, options, plain, value } from "./case.mjs";

/** Runs an act that must fail so; `spell` is how this language writes the field's name. */
export async function fails(act, error, spell = (it) => it) {
  await assert.rejects(act, (it) => {
    assert.ok(it instanceof KeywrightError, it);
    assert.equal(it.code, error.code, it.message);
    if ("field" in error) assert.equal(it.field, error.field && spell(error.field), it.message);
    return true;
  });
}

/** The call that a step names, on the handle it names. */
export function call(kw, step, saved) {
  const handle = step.org === "*" ? kw.everyOrg() : "org" in step ? kw.org(step.org) : kw;
  return callOn(handle, step, saved);
}

/** The call that a step names on a handle. */
export function callOn(handle, step, saved) {
  const args = "args" in step ? value(step.args, saved) : undefined;
  const [group, verb] = step.do.split(".");
  if (verb === undefined) {
    assert.ok(["verify", "authenticate"].includes(group), `unknown step ${step.do}`);
    return handle[group](value(step.text, saved), args);
  }
  const target = handle[group];
  const method = camel(verb);
  assert.ok(["keys", "orgs", "audit"].includes(group) && method in target, `unknown step ${step.do}`);
  const subject = ["id", "prefix", "before", "target"].find((it) => it in step);
  return subject ? target[method](value(step[subject], saved), args) : target[method](args);
}

/** An engine gets its calls directly. */
const direct = { async begin() {}, call: (_number, kw, step, saved) => call(kw, step, saved) };

/** Runs a scenario on a new database at `place`. The driver's `begin` gets each engine that is opened, and its `call` each call. */
export async function runScenario(t, it, place, driver = direct) {
  const clock = new ManualClock(new Date(it.start));
  const start = (config) => new Keywright(place, { ...options(config), clock });
  let config = it.config;
  let kw = start(config);
  t.after(() => kw.close());
  await driver.begin(kw);
  const saved = {};
  const control = {
    advance: (step) => clock.advance(step.ms),
    flush: () => kw.flush(),
    close: () => kw.close(),
    reopen: async (step) => {
      await kw.close();
      config = step.config ?? config;
      kw = start(config);
      await kw.open();
      await driver.begin(kw);
    },
  };
  const steps = it.steps.flatMap((step, index) => Array(step.times ?? 1).fill([index + 1, step]));
  for (const [number, step] of steps) {
    try {
      const act = async () => (control[step.do] ? control[step.do](step) : driver.call(number, kw, step, saved));
      if (step.error) {
        await fails(act, step.error, step.do === "reopen" ? camel : undefined);
        continue;
      }
      const answer = plain(await act());
      if ("expect" in step) check(answer, step.expect, saved);
      if (step.as) saved[step.as] = answer;
    } catch (error) {
      error.message = `step ${number} (${step.do}): ${error.message}`;
      throw error;
    }
  }
}
