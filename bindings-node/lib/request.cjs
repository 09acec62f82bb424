"use strict";

const addon = require("./addon.cjs");
const { checked } = require("./error.cjs");

/** What follows some names and values: the number of the request that ends there, and the steps on. */
class Node {
  number = undefined;
  next = new Map();
}

// Requests in a tree: from the root each name and each value of the options leads one step on. So an object costs the
// same whether it is new or reused, and nothing is kept of it.
const root = new Node();
const LIST = Symbol("list");
const MOST = 4_096;
let count = 0;
const own = Object.prototype.hasOwnProperty;

/** Whether an object has properties of its own alone, as the addon reads them. */
function isPlain(fields) {
  if (typeof fields !== "object" || fields === null) return false;
  const parent = Object.getPrototypeOf(fields);
  return parent === Object.prototype || parent === null;
}

/** The number by which the addon knows the request that some options make; null for options that it reads each time. */
function numberOf(fields) {
  if (fields !== undefined && !isPlain(fields)) return null;
  return find(fields) ?? add(fields);
}

function find(fields) {
  let node = root;
  for (const name in fields) {
    if (!own.call(fields, name)) continue;
    const value = fields[name];
    node = node.next.get(name);
    if (node === undefined) return undefined;
    if (typeof value === "object") node = findList(node, value);
    else node = node.next.get(value);
    if (node === undefined) return undefined;
  }
  return node.number;
}

function findList(node, list) {
  if (!Array.isArray(list)) return undefined;
  node = node.next.get(LIST)?.next.get(list.length);
  for (let at = 0; at < list.length && node !== undefined; at++) node = node.next.get(list[at]);
  return node;
}

/** Whether a text says all of a value, and requests share it: each address or agent would take a number for good. */
function isShared(name, value) {
  if (name === "ip" || name === "agent") return false;
  if (Array.isArray(value)) return value.every((it) => typeof it === "string");
  return typeof value === "string" || Number.isFinite(value);
}

function add(fields) {
  if (count >= MOST) return null;
  // The addon reads this copy: a getter could say something else the second time.
  const copy = Object.create(null);
  const steps = [];
  for (const [name, given] of Object.entries(fields ?? {})) {
    const value = Array.isArray(given) ? [...given] : given;
    if (!isShared(name, value)) return null;
    copy[name] = value;
    steps.push(name, ...(Array.isArray(value) ? [LIST, value.length, ...value] : [value]));
  }
  const number = checked(addon.request(JSON.stringify(copy), copy));
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
