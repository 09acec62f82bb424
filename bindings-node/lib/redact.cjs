"use strict";

const { StringDecoder } = require("node:string_decoder");
const { exitTasks } = require("./exit.cjs");

// The standard streams are never ended: what is held back for them is written when the process exits.
const unfinished = exitTasks().exit;

// Letters, digits, _ and -, and what escapes one of them: %5F, \u005f, \u{5f}.
const inKeys = (unit) => /[\w\-%\\{}]/.test(String.fromCharCode(unit));

/** Cuts what comes in after the last character that is in no key, and holds back the rest: the next one may go on. */
class Cutter {
  #decoder = new StringDecoder();
  #held = "";

  get holds() {
    return this.#held !== "";
  }

  next(chunk) {
    // The decoder holds back half a character of bytes, which text after it leaves a half.
    const text = typeof chunk === "string" ? this.#decoder.end() + chunk : this.#decoder.write(chunk);
    // Only the new text is searched: many chunks without a separator shall not take quadratic time.
    let end = text.length;
    while (end > 0 && inKeys(text.charCodeAt(end - 1))) end--;
    const whole = end === 0 ? "" : this.#held + text.slice(0, end);
    this.#held = end === 0 ? this.#held + text : text.slice(end);
    return whole;
  }

  rest() {
    const rest = this.#held + this.#decoder.end();
    this.#held = "";
    return rest;
  }
}

const isText = (chunk) => typeof chunk === "string" || ArrayBuffer.isView(chunk);

/** What is written as bytes, or as text that spells bytes, comes as bytes and is passed on as UTF-8. */
function read(chunk, encoding, ...rest) {
  if (typeof encoding !== "string") return [chunk, encoding, ...rest];
  if (typeof chunk !== "string") return [chunk, "utf8", ...rest];
  return /^(?:hex|base64)/i.test(encoding) ? [Buffer.from(chunk, encoding), "utf8", ...rest] : [chunk, encoding, ...rest];
}

/**
 * A log stream behind which no key of ours is readable: whatever is written to it passes `kw.redact` first.
 * `new Console(redacted(kw, process.stdout))`, `pino(redacted(kw, process.stdout))`.
 */
function redacted(kw, stream) {
  const cutter = new Cutter();
  const isStandard = stream === process.stdout || stream === process.stderr;
  const finish = () => {
    const rest = cutter.rest();
    if (rest !== "") stream.write(kw.redact(rest));
    unfinished.delete(finish);
  };
  const methods = {
    write(...given) {
      if (!isText(given[0])) return stream.write(...given);
      const [chunk, ...rest] = read(...given);
      const whole = cutter.next(chunk);
      if (isStandard) unfinished[cutter.holds ? "add" : "delete"](finish);
      // Also when it is empty: the answer, the callback and the errors are the stream's.
      return stream.write(kw.redact(whole), ...rest);
    },
    end(...given) {
      if (!isText(given[0])) {
        finish();
        return stream.end(...given);
      }
      const [chunk, ...rest] = read(...given);
      const last = cutter.next(chunk) + cutter.rest();
      unfinished.delete(finish);
      return stream.end(kw.redact(last), ...rest);
    },
  };
  const proxy = new Proxy(stream, {
    get(target, name) {
      const value = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (Object.hasOwn(methods, name)) return methods[name];
      // What gives the stream back for chaining gives this one.
      return (...given) => {
        const answer = value.apply(target, given);
        return answer === target ? proxy : answer;
      };
    },
  });
  return proxy;
}

module.exports = { redacted };
