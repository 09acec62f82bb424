"use strict";

// How a request is sent, and when it is sent again.

const { setTimeout: sleep } = require("node:timers/promises");

const FIRST_PAUSE = 250;
// In seconds, as a server asks for it.
const LONGEST_WAIT = 30;

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
    const asked = answer.headers.get("retry-after");
    return { status: answer.status, text: await answer.text(), wait: /^\d+$/.test(asked ?? "") ? Number(asked) : null };
  } catch (error) {
    if (signal.aborted) return { lost: "did not answer in time", isSent: true };
    const causes = [error, error?.cause, ...(error?.cause?.errors ?? [])];
    if (causes.some((it) => UNSENT.has(it?.code))) return { lost: "cannot be reached", isSent: false };
    return { lost: "broke off the connection", isSent: true };
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the milliseconds until the request is sent again, or null if it is not. */
function pauseAfter(outcome, attempt, isRepeatable) {
  // Many clients must not return at once.
  const backoff = FIRST_PAUSE * 2 ** attempt * (0.5 + Math.random() / 2);
  if (outcome.lost !== undefined) return isRepeatable || !outcome.isSent ? backoff : null;
  const { status, wait } = outcome;
  const asked = wait !== null && wait <= LONGEST_WAIT ? wait * 1_000 + backoff : null;
  // The same request still runs, or a limit is used up. One that tells no time, such as a balance, does not come back by itself.
  if (status === 409 || status === 429) return asked;
  if (status === 503) return wait === null ? backoff : asked;
  // A proxy does not know whether the server has run the request.
  return (status === 502 || status === 504) && isRepeatable ? backoff : null;
}

module.exports = { exchange };
