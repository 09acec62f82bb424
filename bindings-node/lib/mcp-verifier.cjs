"use strict";

const { Needs } = require("./http.cjs");

/** The lifetime reported for a key that never expires. The SDK requires one, and verifies every request anyway. */
const ASSUMED_SECONDS = 3_600;

/**
 * Makes `tokenVerifier` from the SDK's errors. The SDK has one copy for `import` and one for `require`, and each recognizes
 * only its own error classes.
 */
function verifying({ InsufficientScopeError, InvalidTokenError, ServerError, TooManyRequestsError }) {
  const refusals = {
    insufficient_scope: InsufficientScopeError,
    rate_limited: TooManyRequestsError,
    quota_exceeded: TooManyRequestsError,
    unavailable: ServerError,
  };

  return function tokenVerifier(kw, options = {}) {
    if (typeof kw?.verify !== "function") throw new TypeError("tokenVerifier takes a Keywright, or one of its orgs");
    const { method: _, ...needs } = options;
    new Needs(needs);
    return {
      async verifyAccessToken(token) {
        const decision = await kw.verify(token, options);
        if (!decision.allowed) throw new (refusals[decision.code] ?? InvalidTokenError)(decision.message);
        const { key, grace_ends_at } = decision;
        return { token, clientId: key.id, scopes: [...key.scopes], expiresAt: end(grace_ends_at, key.expires_at), extra: { key } };
      },
    };
  };
}

function end(...moments) {
  const known = moments.filter((it) => it).map((it) => Math.floor(it.getTime() / 1000));
  return known.length ? Math.min(...known) : Math.floor(Date.now() / 1000) + ASSUMED_SECONDS;
}

/** Returns the key behind a tool's `extra`, or behind a request that the SDK's middleware let through; null if there is none. */
function getApiKey({ authInfo, auth }) {
  return (authInfo ?? auth)?.extra?.key ?? null;
}

module.exports = { verifying, getApiKey };
