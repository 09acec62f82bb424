"use strict";

// How a request is sent, and when it is sent again.

const { setTimeout: sleep } = require("node:timers/promises");

const FIRST_PAUSE = 250;
// In seconds, as a server asks for it.
const LONGEST_WAIT = 30;
// As long as any longer pause, in seconds.
const FAR_AWAY = 1e9;

/** Codes of errors before a request was sent. */
const UNSENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"]);

/**
 * Sends a request up to `retries` times more. A request that got no answer is sent again only if the server may get it twice, or
 * has not got it. Returns the status, the text and the pause that the server asks for, or why there is no answer.
 */
async function exchange({ url, init, isRepeatable, retries, timeout, fetch }) {
  for (let attempt = 0; ; attempt++) {
    const outcome = await send(url, init, timeout, fetch);
    const pause = pauseAfter(outcome, attempt, isRepeatable);
    if (pause === null || attempt >= retries) return outcome;
    await sleep(pause);
  }
}

async function send(url, init, timeout, fetch) {
  // A signal of `AbortSignal.timeout` would outlive its request.
  const controller = new AbortController();
  const { signal } = controller;
  const timer = setTimeout(() => controller.abort(), timeout);
  try {
    const answer = await fetch(url, { ...init, signal, redirect: "manual" });
    return { status: answer.status, text: await answer.text(), wait: askedPause(answer.headers.get("retry-after")) };
  } catch (error) {
    if (signal.aborted) return { lost: "did not answer in time", isSent: true };
    const causes = [error, error?.cause, ...(error?.cause?.errors ?? [])];
    if (causes.some((it) => UNSENT.has(it?.code))) return { lost: "cannot be reached", isSent: false };
    return { lost: "broke off the connection", isSent: true };
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the whole seconds for which a server asks, by their number or by a date (RFC 9110, section 10.2.3), or null. */
function askedPause(header) {
  if (header === null) return null;
  if (/^\d+$/.test(header)) return Math.min(Number(header), FAR_AWAY);
  // `Date.parse` reads much that is no date of HTTP.
  const date = /^[A-Z][a-z]{2}, .* GMT$/.test(header) ? Date.parse(header) : NaN;
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - Date.now()) / 1_000));
}

/** Returns the object that an answer is, or null. */
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** Returns the error in an answer, or null if something that stands before the server answered, such as a proxy. */
function toldError(text) {
  const answer = objectOf(text);
  const told = Array.isArray(answer?.errors) ? answer.errors[0] : answer;
  return typeof told?.code === "string" ? told : null;
}

/** Returns the milliseconds until the request is sent again, or null if it is not. */
function pauseAfter(outcome, attempt, isRepeatable) {
  // Many clients must not return at once.
  const backoff = FIRST_PAUSE * 2 ** attempt * (0.5 + Math.random() / 2);
  if (outcome.lost !== undefined) return isRepeatable || !outcome.isSent ? backoff : null;
  const { status, text, wait } = outcome;
  if (wait !== null && wait > LONGEST_WAIT) return null;
  const pause = (wait ?? 0) * 1_000 + backoff;
  // The same request still runs, or a limit is used up. One that tells no time, such as a balance, does not come back by itself.
  if (status === 409 || status === 429) return wait === null ? null : pause;
  if (status === 503 && toldError(text) !== null) return pause;
  // The server, or a proxy before it, does not know whether the request has run.
  return status >= 502 && status <= 504 && isRepeatable ? pause : null;
}

module.exports = { exchange, objectOf, toldError };
