// The meaning of the test vectors in JavaScript: values that JSON cannot express, and expectations.

import assert from "node:assert/strict";

class Foreign {}

const special = {
  $nan: () => NaN,
  $inf: () => Infinity,
  $float: (it) => it,
  $integer: (it) => (BigInt(Number(it)) === BigInt(it) ? Number(it) : BigInt(it)),
  $time: (it) => new Date(it),
  $bad_time: () => new Date(NaN),
  $bytes: (it) => Buffer.from(it, "hex"),
  $surrogate: () => "a\ud800b",
  $repeat: ([text, times]) => text.repeat(times),
  $nested: (depth) => nested(depth),
  $list: ([item, times], saved) => Array(times).fill(value(item, saved)),
  $object: () => new Foreign(),
  $text: (it, saved) => String(value(it, saved)),
  $number: (it, saved) => Number(value(it, saved)),
  $ref: (path, saved) => path.split(".").reduce((it, name) => it[name], saved),
  $change: ([it, index, to], saved) => {
    const text = value(it, saved);
    const at = index < 0 ? text.length + index : index;
    // If the letter is there already, the next one makes the change.
    const other = text[at] === to ? String.fromCodePoint(to.codePointAt(0) + 1) : to;
    return text.slice(0, at) + other + text.slice(at + 1);
  },
  $cut: ([it, start, end], saved) => value(it, saved).slice(start ?? 0, end ?? undefined),
};

function nested(depth) {
  let it = {};
  for (let level = 1; level < depth; level++) it = { a: it };
  return it;
}

/** A vector's value as JavaScript has it. `saved` holds what earlier steps answered. */
export function value(it, saved = {}) {
  if (Array.isArray(it)) return it.map((item) => value(item, saved));
  if (it === null || typeof it !== "object") return it;
  const [name] = Object.keys(it);
  if (name?.startsWith("$")) {
    assert.ok(Object.hasOwn(special, name), `unknown value ${name}`);
    return special[name](it[name], saved);
  }
  return Object.fromEntries(Object.entries(it).map(([name, item]) => [name, value(item, saved)]));
}

/** `key_format` as `keyFormat`. */
export function camel(name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
}

export function options(config = {}) {
  return Object.fromEntries(Object.entries(config).map(([name, it]) => [camel(name), value(it)]));
}

/** A record as plain data, with a new key's text in it. */
export function plain(record) {
  if (Array.isArray(record)) return record.map(plain);
  if (record !== null && typeof record === "object") {
    if ("reveal" in record) return record.reveal();
    if ("toJSON" in record) return record.toJSON();
  }
  return record;
}

/** Holds an answer against a vector's subset of it. */
export function check(actual, expected, saved, path = "answer") {
  const wanted = marked(expected) ? expected : shallow(expected, saved);
  if (marked(wanted)) {
    const there = actual !== undefined;
    assert.equal(there, "$exists" in wanted, `${path} ${there ? "is there" : "is not there"}`);
  } else if (Array.isArray(wanted)) {
    assert.ok(Array.isArray(actual), `${path} is no list`);
    assert.equal(actual.length, wanted.length, `${path} has another length: ${JSON.stringify(actual)}`);
    wanted.forEach((it, index) => check(actual[index], it, saved, `${path}[${index}]`));
  } else if (wanted !== null && typeof wanted === "object") {
    assert.ok(actual !== null && typeof actual === "object", `${path} is ${actual}`);
    for (const [name, it] of Object.entries(wanted)) check(actual[name], it, saved, `${path}.${name}`);
    if (Object.keys(wanted).length === 0) assert.deepEqual(actual, {}, path);
  } else {
    assert.equal(actual, wanted, path);
  }
}

const marked = (it) => it !== null && typeof it === "object" && ("$exists" in it || "$absent" in it);

function shallow(it, saved) {
  const isSpecial = it !== null && typeof it === "object" && Object.keys(it)[0]?.startsWith("$");
  return isSpecial ? value(it, saved) : it;
}
