"use strict";

const addon = require("./addon.cjs");
const { checked } = require("./error.cjs");

// What was read of an options object, by the object; and the numbers of requests by what they say.
const read = new WeakMap();
const numbers = new Map();
const MOST = 4_096;

// These differ from request to request: each would take a number for good.
const passing = new Set(["ip", "agent"]);

/** A value that a text of it says all of. */
const isPlain = (value) => typeof value === "string" || (typeof value === "number" && Number.isFinite(value));

/** The options as names, values and copies of lists, each read once; null where there is more in them than text says. */
function copied(fields) {
  if (typeof fields !== "object" || fields === null) return null;
  const parent = Object.getPrototypeOf(fields);
  if (parent !== Object.prototype && parent !== null) return null;
  const names = Object.keys(fields);
  const values = [];
  for (const name of names) {
    const value = fields[name];
    if (passing.has(name)) return null;
    if (isPlain(value)) values.push(value);
    else if (Array.isArray(value) && value.every((it) => typeof it === "string")) values.push([...value]);
    else return null;
  }
  return { names, values, number: null };
}

/** Whether an object still says what was copied of it. */
function isSame(fields, { names, values }) {
  let index = 0;
  for (const name in fields) {
    if (name !== names[index]) return false;
    const now = fields[name];
    const then = values[index++];
    if (now === then) continue;
    if (!Array.isArray(now) || !Array.isArray(then) || now.length !== then.length) return false;
    for (let at = 0; at < now.length; at++) if (now[at] !== then[at]) return false;
  }
  return index === names.length;
}

/** The number by which the addon knows the request that some options make; null for options that it reads each time. */
function numberOf(fields) {
  if (fields === undefined) return numbers.get("") ?? named("", undefined);
  const known = read.get(fields);
  if (known !== undefined && isSame(fields, known)) return known.number;
  const copy = copied(fields);
  if (copy === null) return null;
  const text = JSON.stringify([copy.names, copy.values]);
  // The copy is what the addon reads: a getter could say something else the second time.
  copy.number = numbers.get(text) ?? named(text, Object.fromEntries(copy.names.map((name, at) => [name, copy.values[at]])));
  if (copy.number !== null) read.set(fields, copy);
  return copy.number;
}

function named(text, fields) {
  if (numbers.size >= MOST) return null;
  const number = checked(addon.request(text, fields));
  if (number !== null) numbers.set(text, number);
  return number;
}

module.exports = { numberOf };
