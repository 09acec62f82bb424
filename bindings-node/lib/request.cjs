"use strict";

const addon = require("./addon.cjs");
const { checked } = require("./error.cjs");

/** A node of the request tree: the number of the request that ends here, and the nodes that follow. */
class Node {
  number = undefined;
  next = new Map();
  // The step that was taken last. Most calls repeat it, and comparing two equal texts costs less than a look-up.
  step = undefined;
  node = undefined;

  after(step) {
    if (step === this.step) return this.node;
    const node = this.next.get(step);
    if (node !== undefined) {
      this.step = step;
      this.node = node;
    }
    return node;
  }
}

// Requests form a tree. From the root, each name and each value of the options leads to the next node. So a new object costs the
// same as a reused one, and no reference to it is kept.
const root = new Node();
const LIST = Symbol("list");
const MOST = 4_096;
let count = 0;
const own = Object.prototype.hasOwnProperty;

/** Tells whether an object has only own properties, as the addon reads them. */
function isPlain(fields) {
  if (typeof fields !== "object" || fields === null) return false;
  const parent = Object.getPrototypeOf(fields);
  return parent === Object.prototype || parent === null;
}

/** Returns the number of the request in the addon, or null for options that the addon parses on each call. */
function numberOf(fields) {
  if (fields !== undefined && !isPlain(fields)) return null;
  return find(fields) ?? add(fields);
}

function find(fields) {
  let node = root;
  for (const name in fields) {
    if (!own.call(fields, name)) continue;
    const value = fields[name];
    node = node.after(name);
    if (node === undefined) return undefined;
    node = typeof value === "object" ? findList(node, value) : node.after(value);
    if (node === undefined) return undefined;
  }
  return node.number;
}

function findList(node, list) {
  if (!Array.isArray(list)) return undefined;
  node = node.after(LIST)?.after(list.length);
  for (let at = 0; at < list.length && node !== undefined; at++) node = node.after(list[at]);
  return node;
}

/** Tells whether requests share a value that JSON represents. Each address or agent would occupy a number for ever. */
function isShared(name, value) {
  if (name === "ip" || name === "agent") return false;
  if (Array.isArray(value)) return value.every((it) => typeof it === "string");
  return typeof value === "string" || Number.isFinite(value);
}

function add(fields) {
  if (count >= MOST) return null;
  // The addon reads this copy, since a getter could return another value the second time.
  const copy = Object.create(null);
  const steps = [];
  for (const [name, given] of Object.entries(fields ?? {})) {
    const value = Array.isArray(given) ? [...given] : given;
    if (!isShared(name, value)) return null;
    copy[name] = value;
    steps.push(name, ...(Array.isArray(value) ? [LIST, value.length, ...value] : [value]));
  }
  const number = checked(addon.requestNumber(JSON.stringify(copy), copy));
  if (number === null) return null;
  let node = root;
  for (const step of steps) {
    if (!node.next.has(step)) node.next.set(step, new Node());
    node = node.next.get(step);
  }
  node.number = number;
  count += 1;
  return number;
}

module.exports = { numberOf };
