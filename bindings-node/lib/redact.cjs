"use strict";

/**
 * A log stream behind which no key of ours is readable: whatever is written to it passes `kw.redact` first.
 * `new Console(redacted(kw, process.stdout))`, `pino(redacted(kw, process.stdout))`.
 */
function redacted(kw, stream) {
  const mask = (chunk) => {
    if (typeof chunk === "string") return kw.redact(chunk);
    return chunk instanceof Uint8Array ? kw.redact(Buffer.from(chunk).toString()) : chunk;
  };
  return new Proxy(stream, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name === "write" || name === "end") return (chunk, ...rest) => value.call(target, mask(chunk), ...rest);
      return value.bind(target);
    },
  });
}

module.exports = { redacted };
