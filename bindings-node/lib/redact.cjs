"use strict";

const { StringDecoder } = require("node:string_decoder");
const { exitTasks } = require("./exit.cjs");

// The standard streams never end: text held back for them is written when the process exits.
const unfinished = exitTasks().exit;

// Letters, digits, _ and -, the characters of their escapes: %5F, \u005f, \u{5f}, and those that keys of other products have.
const inKeys = (unit) => /[\w\-%\\{}.|~+/=:]/.test(String.fromCharCode(unit));

/** Cuts text after the last character that no key contains, and holds back the rest, since the next chunk may continue it. */
class Cutter {
  #decoder = new StringDecoder();
  #held = "";

  get holds() {
    return this.#held !== "";
  }

  next(chunk) {
    // The decoder holds back an incomplete character. Text after it leaves it incomplete.
    const text = typeof chunk === "string" ? this.#decoder.end() + chunk : this.#decoder.write(chunk);
    // Only the new text is searched, so that many chunks without a separator take linear time.
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

/** Decodes hex and base64 chunks to bytes. Bytes are passed on as UTF-8. */
function read(chunk, encoding, ...rest) {
  if (typeof encoding !== "string") return [chunk, encoding, ...rest];
  if (typeof chunk !== "string") return [chunk, "utf8", ...rest];
  return /^(?:hex|base64)/i.test(encoding) ? [Buffer.from(chunk, encoding), "utf8", ...rest] : [chunk, encoding, ...rest];
}

/**
 * Wraps a log stream so that no key in it is readable: everything written to it passes through `kw.redact`.
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
      // Also an empty chunk is written: the stream supplies the return value, the callback and the errors.
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
      // A method that returns the stream for chaining returns this proxy.
      return (...given) => {
        const answer = value.apply(target, given);
        return answer === target ? proxy : answer;
      };
    },
  });
  return proxy;
}

module.exports = { redacted };
