"use strict";

// Arguments as JSON, and answers as records and errors of the engine.

const addon = require("./addon.cjs");
const { objectOf, toldError } = require("./client-exchange.cjs");
const { Denied, Forbidden, InvalidRequest, KeywrightError, Unavailable, ValidationFailed, classOf } = require("./error.cjs");
const { Decision, Key, NewKey } = require("./record.cjs");

const CODES = JSON.parse(addon.wireCodes());
const FIELD = /^([a-z][a-z_.0-9[\]]*): /;
// A key sets its fields in the order of its row.
const FIELDS = Object.keys(new Key(Array.from({ length: 64 }, () => [])));
const SECRETS = ["prefix", "created_at", "grace_ends_at", "last_used_at"];

const failure = (Class, code, status, field, message) => new Class({ code, status, field, message });
const invalidRequest = (field, message) => failure(InvalidRequest, "invalid_request", 400, field, `${field}: ${message}`);
const validationFailed = (field, message) => failure(ValidationFailed, "validation_failed", 400, field, `${field}: ${message}`);
const unavailable = (message) => failure(Unavailable, "unavailable", 503, null, message);

/** Returns the arguments of a call as JSON. Dates become RFC 3339 text, and `undefined` counts as left out. */
function body(fields) {
  const given = fields ?? {};
  if (typeof given !== "object" || Array.isArray(given)) throw invalidRequest("arguments", "are no object; give named options in one object");
  try {
    return JSON.stringify(given, (name, value) => {
      if (typeof value === "number" && !Number.isFinite(value)) throw validationFailed(name, "is no number that JSON has; leave it out");
      if (typeof value === "bigint") return Number(value);
      return value instanceof Set ? [...value] : value;
    });
  } catch (error) {
    if (error instanceof KeywrightError) throw error;
    throw invalidRequest("arguments", "hold a value that JSON does not have; give text, numbers, lists and objects");
  }
}

/** Returns the arguments of a list as the query of a URL. */
function query(fields) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(fields ?? {})) {
    if (value === null || value === undefined) continue;
    if (typeof value !== "string" && !Number.isInteger(value)) throw invalidRequest(name, "is neither text nor an integer; give one of them");
    found.append(name, String(value));
  }
  const text = found.toString();
  return text && `?${text}`;
}

/** Returns the row of a key, in the order in which the addon writes it. */
function row(key) {
  const secrets = key.secrets.map((it) => SECRETS.map((name) => it[name] ?? null));
  return FIELDS.map((name) => (name === "secrets" ? secrets : (key[name] ?? null)));
}

/** A key of a list, as the class of a page's items. */
class ListedKey {
  constructor(key) {
    return new Key(row(key));
  }
}

const keyOf = (value) => new Key(row(value));

/** Reads a new key with its text. */
function issued(value) {
  if (value.api_key === null || value.api_key === undefined) {
    const message = `api_key: was lost on the way, and the server keeps no copy; the key ${value.id} exists, so rotate it`;
    throw failure(classOf("conflict"), "conflict", 409, "api_key", message);
  }
  return new NewKey([row(value), value.api_key]);
}

const decisionOf = (value) => new Decision({ ...value, key: value.key && row(value.key) });

/** A decision that denies, without a key. */
function denial(code, message, status, wait = null) {
  const none = { key: null, missing_scopes: [], limits: [], quotas: [], deprecated: false, grace_ends_at: null, agent: null };
  return new Decision({ allowed: false, code, message, status, retry_after_seconds: wait, ...none });
}

/** The decision when the server cannot tell. Throws if it could and did not, because the client is at fault. */
function undecided(trouble) {
  if (trouble instanceof Denied) {
    if (trouble.code !== "rate_limited") {
      const message = `the server refuses the client itself: ${trouble.message}; correct the client's apiKey`;
      throw failure(Forbidden, "forbidden", 403, null, message);
    }
  } else if (!(trouble instanceof Unavailable)) {
    throw trouble;
  }
  return denial("unavailable", trouble.message, 503);
}

/** Returns the value of an answer, or throws its error. */
function parsed(outcome, server) {
  if (outcome.lost !== undefined) throw unavailable(`${server} ${outcome.lost}; look at the network and at the server`);
  const { status, text, wait } = outcome;
  const value = status < 300 ? objectOf(text) : null;
  if (value !== null) return value;
  const told = toldError(text);
  if (told === null) {
    throw unavailable(`${server} answered ${status} and no JSON of Keywright; look at the URL and at what stands before the server`);
  }
  const message = String(told.message ?? told.detail ?? "");
  const code = told.code.toLowerCase();
  const Class = classOf(code);
  if (Class === KeywrightError && Object.hasOwn(CODES, told.code)) throw new Denied(denial(CODES[told.code], message, status, wait));
  throw failure(Class, code, status, FIELD.exec(message)?.[1] ?? null, message);
}

module.exports = { ListedKey, body, decisionOf, invalidRequest, issued, keyOf, parsed, query, undecided, validationFailed };
