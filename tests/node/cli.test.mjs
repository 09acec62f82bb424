// The program `keywright` of the npm package: every case of tests/vectors/cli.json, and Ctrl-C.

import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, constants, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { check } from "./case.mjs";
import { folder, PATIENCE, until } from "./fixture.mjs";

const PROGRAM = fileURLToPath(new URL("../../bindings-node/bin/keywright.cjs", import.meta.url));

const read = (name) => JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), "utf8"));
const { count, files, tests } = read("cli.json");

// The environment of the tests without the settings in it.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("KEYWRIGHT_")));

const CASE = ["id", "comment", "files", "readable", "env", "steps"];
const STEP = ["run", "stdin", "exit", "stdout", "stderr", "never", "json", "as"];

function only(record, known) {
  assert.deepEqual(Object.keys(record).filter((name) => !known.includes(name)), [], "the interpreter does not know these");
}

/** A text with the fields of kept records in place of `{name.field}`. */
function filled(text, kept) {
  return text.replace(/\{(\w+)\.(\w+)\}/g, (_, name, field) => {
    const value = kept[name][field];
    return typeof value === "string" ? value : JSON.stringify(value);
  });
}

function run(cwd, it, step, kept) {
  only(step, STEP);
  const words = step.run.map((word) => filled(word, kept));
  const input = filled(step.stdin ?? "", kept);
  const options = { cwd, input, env: { ...env, ...it.env }, encoding: "utf8", timeout: PATIENCE };
  const done = spawnSync(process.execPath, [PROGRAM, ...words], options);
  const told = `${words.join(" ")}\nstdout: ${done.stdout}\nstderr: ${done.stderr}`;
  assert.equal(done.status, step.exit, told);
  for (const name of ["stdout", "stderr"].filter((name) => name in step)) {
    if (step[name].length === 0) assert.equal(done[name], "", told);
    for (const part of step[name]) assert.ok(done[name].includes(filled(part, kept)), `${name} lacks ${part}: ${told}`);
  }
  for (const never of step.never ?? []) {
    assert.ok(!`${done.stdout}${done.stderr}`.includes(filled(never, kept)), `${never} is shown: ${told}`);
  }
  const records = () => done.stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  if ("json" in step) check(Array.isArray(step.json) ? records() : records()[0], step.json, kept, told);
  if ("as" in step) kept[step.as] = records()[0];
}

describe("cli", () => {
  let ran = 0;

  test("every case is counted", () => {
    assert.equal(tests.length, count);
    assert.equal(read("manifest.json")["cli.json"], count);
    assert.equal(new Set(tests.map((it) => it.id)).size, count, "ids are unique");
  });

  for (const it of tests) {
    test(it.id, (t) => {
      only(it, CASE);
      const cwd = folder(t);
      for (const [name, text] of Object.entries(it.files ?? files)) {
        writeFileSync(join(cwd, name), text);
        chmodSync(join(cwd, name), it.readable?.includes(name) ? 0o644 : 0o600);
      }
      const kept = {};
      for (const step of it.steps) run(cwd, it, step, kept);
      ran += 1;
    });
  }

  after(() => assert.equal(ran, count, "a case failed or did not run"));
});

/** Runs the program without waiting for it. A test that fails, or that waits too long, ends it. */
function start(t, cwd, words, stdio) {
  const child = spawn(process.execPath, [PROGRAM, ...words], { cwd, env, stdio });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

/** Sends a signal; how the program has ended then. */
async function ended(child, signal) {
  const exit = once(child, "exit", { signal: AbortSignal.timeout(PATIENCE) });
  child.kill(signal);
  return exit;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  test(`${signal} ends a program that waits`, async (t) => {
    const cwd = folder(t);
    const pipe = join(cwd, "key");
    execFileSync("mkfifo", [pipe]);
    const child = start(t, cwd, ["verify", "--brand", "acme", "--file", pipe], "ignore");
    let writer;
    await until("the program reads the pipe", () => {
      assert.equal(child.exitCode, null);
      try {
        // Without this flag the call would wait for a reader, for ever if there is none.
        writer = openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
      } catch (error) {
        if (error.code !== "ENXIO") throw error;
      }
      return writer !== undefined;
    });
    t.after(() => closeSync(writer));
    assert.deepEqual(await ended(child, signal), [null, signal]);
  });

  test(`${signal} stops a server, which ends by itself`, async (t) => {
    const cwd = folder(t);
    const child = start(t, cwd, ["serve", "--brand", "acme", "--listen", "127.0.0.1:0"], ["ignore", "ignore", "pipe"]);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    await until("the server listens, or has ended", () => said.includes("\n") || child.exitCode !== null);
    const [url] = said.match(/http:\S+/) ?? assert.fail(said);
    const answer = await fetch(`${url}/verify`, { method: "POST", signal: AbortSignal.timeout(PATIENCE) });
    assert.equal(answer.status, 401);
    await answer.text();
    assert.deepEqual(await ended(child, signal), [0, null], said);
  });
}
