#!/usr/bin/env python3
"""A second opinion on the numbers in key.json, hash.json, stored_rows.json and limit.json.

It computes the expected value of every case again from the case's input alone, in Python, sharing no code with the engine:
CRC-32 is zlib's, HMAC-SHA-256 is the standard library's, and Argon2 is the reference implementation in C, through the package
`argon2-cffi` (the only thing outside the standard library). The RFC 4231 (section 4) and RFC 9106 (section 5.3) cases hold the
RFCs' own bytes, which this program must reach as well.

    oracle.py                 compare the files with what is computed here; exit code 1 when anything differs
    oracle.py --write         write what is computed here into the files
    oracle.py seal TEXT       print TEXT with its checksum, to make a case

Whether an engine opens with a configuration (`open` in key.json) is a rule, not a number: those expectations stand as written.
"""

import base64
import hashlib
import hmac
import json
import math
import pathlib
import re
import sys
import zlib
from fractions import Fraction

HERE = pathlib.Path(__file__).parent
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SIZES = {"lookup": 12, "secret": 32, "checksum": 6}
DEFAULT_FORMAT = "{brand}_{env}_{lookup}_{secret}{checksum}"
DEFAULT_ENVIRONMENTS = ["live", "test"]
CAPS = {"m": 262144, "t": 16, "p": 4}


# The text of a key


def checksum(text):
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(SIZES["checksum"]):
        number, digit = divmod(number, 62)
        digits = ALPHABET[digit] + digits
    return digits


def parts(template, config):
    """The template cut into literals (text), and fields (name, length)."""
    out = []
    for literal, name, length in re.findall(r"([^{}]+)|\{(\w+)(?::(\d+))?\}", template):
        if literal or name == "brand":
            text = literal or config["brand"]
            if out and isinstance(out[-1], str):
                out[-1] += text
            else:
                out.append(text)
        else:
            out.append((name, int(length) if length else SIZES.get(name)))
    return out


def formats(config):
    return [parts(it, config) for it in (config.get("key_format", DEFAULT_FORMAT), *config.get("accept_formats", []))]


def environments(config):
    return config.get("environments", DEFAULT_ENVIRONMENTS)


def expression(format, config):
    """A regular expression with named groups for the fields of one format."""
    out = ""
    for part in format:
        if isinstance(part, str):
            out += re.escape(part)
        elif part[0] == "env":
            out += f"(?P<env>{'|'.join(map(re.escape, environments(config)))})"
        else:
            out += f"(?P<{part[0]}>[0-9A-Za-z]{{{part[1]}}})"
    return out


def split(text, config):
    """The fields of a text, or None when it is none of ours."""
    for format in formats(config):
        found = re.fullmatch(expression(format, config), text, re.ASCII)
        if found and checksum(text[: -SIZES["checksum"]]) == found["checksum"]:
            return {"env": environments(config)[0], **found.groupdict(), "prefix": text[: found.end("lookup")]}
    return None


def parse(case, text):
    found = split(text, case["config"])
    return found and {"environment": found["env"], "prefix": found["prefix"], "lookup": found["lookup"]}


ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})|\\+(?:x([0-9A-Fa-f]{2})|u\{([0-9A-Fa-f]{1,6})\}|u([0-9A-Fa-f]{4})|U00([0-9A-Fa-f]{6})|([_-]))")


def resolve(text):
    """The text with its escapes resolved up to three times, and the piece of the source behind each character."""
    pieces = list(text)
    for _ in range(3):
        plain, kept, at = "", [], 0
        for found in ESCAPE.finditer(text):
            given = next(filter(None, found.groups()))
            character = given if given in "_-" else chr(int(given, 16))
            if re.fullmatch(r"[0-9A-Za-z_%\\-]", character):
                start, end = found.span()
                plain += text[at:start] + character
                kept += [*pieces[at:start], "".join(pieces[start:end])]
                at = end
        if not at:
            break
        text, pieces = plain + text[at:], kept + pieces[at:]
    return text, pieces


def redact(case, source):
    text, pieces = resolve(source)
    for format in formats(case["config"]):
        after = [part[0] for part in format].index("lookup") + 1
        head = expression(format[:after], case["config"])
        joint = re.escape(format[after]) if isinstance(format[after], str) else ""
        shape = f"(?P<head>{head})(?P<joint>{joint})?(?P<run>[0-9A-Za-z_-]*)"
        for found in reversed(list(re.finditer(shape, text, re.ASCII))):
            if found["run"]:
                start, end = found.span("run")
                text = text[:start] + "*" + text[end:]
                pieces[start:end] = ["[redacted]"]
    return "".join(pieces)


def pattern(case, _):
    out, names = [], environments(case["config"])
    choice = names[0] if len(names) == 1 else f"(?:{'|'.join(names)})"
    for format in formats(case["config"]):
        text, run = "", 0
        for part in [*format, ""]:
            if isinstance(part, tuple) and part[0] != "env":
                run += part[1]
                continue
            text += f"[0-9A-Za-z]{{{run}}}" if run else ""
            text += part if isinstance(part, str) else choice
            run = 0
        out.append(text)
    return out[0] if len(out) == 1 else f"(?:{'|'.join(out)})"


# Hash at rest


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def base64_bare(data):
    return base64.b64encode(data).decode().rstrip("=")


def frame(label, it):
    fields = (label, it["environment"], str(it["key_id"]), it["lookup"], it["secret"])
    return b"".join(len(field.encode()).to_bytes(4, "big") + field.encode() for field in fields)


def pepper_id(pepper):
    return mac(pepper, b"id/v1")[:8].hex()


def argon2id(password, salt, m, t, p, length, secret=b"", ad=b""):
    from argon2.low_level import ARGON2_VERSION, Type, core, ffi

    out = ffi.new("uint8_t[]", length)
    held = [ffi.new("uint8_t[]", it) if it else ffi.NULL for it in (password, salt, secret, ad)]
    context = ffi.new("argon2_context *", {
        "out": out, "outlen": length, "version": ARGON2_VERSION, "t_cost": t, "m_cost": m, "lanes": p, "threads": 1,
        "pwd": held[0], "pwdlen": len(password), "salt": held[1], "saltlen": len(salt),
        "secret": held[2], "secretlen": len(secret), "ad": held[3], "adlen": len(ad),
        "allocate_cbk": ffi.NULL, "free_cbk": ffi.NULL, "flags": 0,
    })  # fmt: skip
    code = core(context, Type.ID.value)
    if code:
        raise ValueError(f"argon2 answers {code}")
    return bytes(ffi.buffer(out, length))


def stored_hmac(pepper, it):
    digest = mac(pepper, frame("keywright/verify/v1", it))
    return f"$hmac-sha256$v=1,p={pepper_id(pepper)}${base64_bare(digest)}"


def stored_argon2id(salt, it, m=19456, t=2, p=1, length=32):
    tag = argon2id(frame("keywright/argon2id/v1", it), salt, m, t, p, length)
    return f"$argon2id$v=19$m={m},t={t},p={p}${base64_bare(salt)}${base64_bare(tag)}"


def check(stored, peppers, it):
    """match, mismatch, or unavailable where nobody can tell."""
    if found := re.fullmatch(r"\$hmac-sha256\$v=1,p=([0-9a-f]{16})\$[A-Za-z0-9+/]{43}", stored):
        for pepper in peppers:
            if pepper_id(pepper) == found[1]:
                return "match" if stored_hmac(pepper, it) == stored else "mismatch"
    elif found := re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)", stored):
        m, t, p = (int(found[index]) for index in (1, 2, 3))
        salt, tag = (base64.b64decode(found[index] + "=" * (-len(found[index]) % 4)) for index in (4, 5))
        if m <= CAPS["m"] and t <= CAPS["t"] and p <= CAPS["p"] and m >= 8 * p and 16 <= len(tag) <= 64:
            return "match" if stored_argon2id(salt, it, m, t, p, len(tag)) == stored else "mismatch"
    return "unavailable"


def hashed(case):
    op, it = case["op"], case["input"]
    if op == "hmac_sha256":
        return {"mac": mac(bytes.fromhex(it["key"]), bytes.fromhex(it["message"])).hex()}
    if op == "argon2id":
        binary = {name: bytes.fromhex(it[name]) for name in ("password", "salt", "secret", "ad")}
        return {"tag": argon2id(**binary, **{name: it[name] for name in ("m", "t", "p", "length")}).hex()}
    if op == "pepper_id":
        return {"id": pepper_id(it["pepper"].encode())}
    if op == "stored":
        made = stored_argon2id(bytes.fromhex(it["salt"]), it) if "salt" in it else stored_hmac(it["pepper"].encode(), it)
        return {"stored": made}
    if op == "filter":
        return {"filter": mac(bytes.fromhex(it["key"]), frame("keywright/filter/v1", it))[:8].hex()}
    return {"result": check(it["stored"], [pepper.encode() for pepper in it["peppers"]], it)}


def split_foreign(format, text):
    """The lookup and the secret of a text of another product, as a row of this format has them."""
    digest, _, template = format[1:].rpartition(" ")
    if digest:
        found = hashlib.new(digest, text.encode()).digest()[:32]
        return "~" + base64.urlsafe_b64encode(found).decode().rstrip("="), text
    pattern = "".join(
        re.escape(literal) or f"(?P<{name}>.{{{low},{high or low}}}?)"
        for literal, name, low, high in re.findall(r"([^{}]+)|\{(\w+):(\d+)(?:-(\d+))?\}", template)
    )
    found = re.fullmatch(pattern, text)
    tag = hashlib.sha256(template.encode()).hexdigest()[:8]
    return found and (f"~{tag}:{found['lookup']}", found["secret"])


def planted_import(row, peppers, text):
    """As `planted`, for a key that another product has issued."""
    found = split_foreign(row["format"], text)
    if not found or found[0] != row["lookup"]:
        return False
    if foreign := re.fullmatch(r"\$import\$(text|secret)\$(sha256|sha512)\$([0-9a-f]+)", row["verifier"]):
        return hashlib.new(foreign[2], (text if foreign[1] == "text" else found[1]).encode()).hexdigest() == foreign[3]
    proof = {"environment": row["environment"], "key_id": row["key_id"], "lookup": found[0], "secret": found[1]}
    return check(row["verifier"], peppers, proof) == "match"


def planted(case):
    """Whether the text proves the row, by the row's own format and verifier."""
    row, peppers = case["row"], case["config"].get("pepper", [])
    if row["format"].startswith("~"):
        proved = planted_import(row, [peppers.encode()], case["text"])
        return {"allowed": True} if proved else {"allowed": False, "code": "invalid"}
    found = split(case["text"], {**case["config"], "key_format": row["format"], "accept_formats": []})
    proof = found and {"environment": found["env"], "key_id": row["key_id"], "lookup": found["lookup"], "secret": found["secret"]}
    peppers = [it.encode() for it in (peppers if isinstance(peppers, list) else [peppers])]
    known = found and found["lookup"] == row["lookup"] and found["env"] == row["environment"]
    if known and found["prefix"] == row["prefix"] and check(row["verifier"], peppers, proof) == "match":
        return {"allowed": True}
    return {"allowed": False, "code": "invalid"}


# The files


def value(it):
    if isinstance(it, dict) and "$repeat" in it:
        return it["$repeat"][0] * it["$repeat"][1]
    return it


def expected(name, case):
    if name == "hash":
        return hashed(case)
    if name == "stored_rows":
        return planted(case)
    if case["op"] == "open":
        return case["expect"]
    return {"parse": parse, "redact": redact, "pattern": pattern}[case["op"]](case, value(case.get("text")))


def rules(spec, name=None):
    """Limits as they are configured: a rate, a limit, a list of limits, or limits by name."""
    if isinstance(spec, int):
        spec = {"rate": spec}
    if isinstance(spec, list):
        return [it for one in spec for it in rules(one)]
    if "rate" not in spec:
        return [it for one, of in spec.items() for it in rules(of, one)]
    return [{"name": name, "burst": spec["rate"], "per": "key", "operation": None, **spec}]


class Buckets:
    """Token buckets in fractions: as many tokens as the burst, and the rate comes back evenly."""

    def __init__(self):
        self.filled = {}

    def draw(self, config, key, args, now):
        """Where each limit stands after a request, and after how many seconds it is allowed; None for a cost that never is."""
        cost, operation = args.get("cost", 1), args.get("operation")
        tier = config.get("tiers", {}).get(key["tier"])
        all_rules = rules(config.get("limits", [])) + ([] if tier is None else rules(tier, key["tier"])) + rules(key["limits"] or [])
        asked = []
        for rule in all_rules:
            if rule["operation"] not in (None, operation):
                continue
            owner = {"key": key["id"], "org": key["org"], "agent": (key["org"], args.get("agent"))}[rule["per"]]
            rate, burst = Fraction(rule["rate"], 60), Fraction(rule["burst"])
            place = (rule["per"], owner, rule["name"], rate, burst)
            tokens, at = self.filled.get(place, (burst, now))
            asked.append((rule, place, rate, burst, min(burst, tokens + rate * (now - at))))
        refused = [it for it in asked if it[4] < cost]
        if any(cost > it[3] for it in refused):
            return None
        taken = 0 if refused else cost
        stands = []
        for rule, place, rate, burst, tokens in asked:
            left = tokens - taken
            self.filled[place] = (left, now)
            reset = math.ceil((burst - left) / rate)
            stands.append(
                {"name": rule["name"], "limit": rule["rate"], "remaining": math.floor(left), "reset_seconds": reset, "shared": False}
            )
        return stands, max((math.ceil((cost - it[4]) / it[2]) for it in refused), default=None)


def limited(case):
    """The steps of a case with what the buckets say in place of what stands there."""
    config, buckets, keys, now, steps = case["config"], Buckets(), {}, Fraction(0), []
    for given in case["steps"]:
        step, args = given, given.get("args", {})
        if step["do"] == "advance":
            now += Fraction(step["ms"], 1000)
        elif step["do"] == "reopen":
            config, buckets = step.get("config", config), Buckets()
        elif step["do"] == "keys.create" and "as" in step:
            org = step.get("org", "default")
            keys[step["as"]] = {"id": step["as"], "org": org, "tier": args.get("tier"), "limits": args.get("limits")}
        elif step["do"] == "keys.rotate":
            keys[step["as"]] = keys[step["id"]["$ref"].split(".")[0]]
        elif step["do"] == "keys.update":
            keys[step["id"]["$ref"].split(".")[0]].update({name: it for name, it in args.items() if name in ("tier", "limits")})
        elif step["do"] == "verify" and step.get("expect", {}).get("code") in (None, "rate_limited") and "error" not in step:
            key = keys[step["text"]["$ref"].split(".")[0]]
            for _ in range(step.get("times", 1)):
                stands, wait = buckets.draw(config, key, args, now)
                found = {"allowed": wait is None, "code": None if wait is None else "rate_limited", "retry_after_seconds": wait}
                found |= {"limits": stands}
                step = {**step, "expect": {name: found.get(name, it) for name, it in step["expect"].items()}}
        elif step["do"] == "verify" and step.get("error", {}).get("field") == "cost":
            drawn = buckets.draw(config, keys[step["text"]["$ref"].split(".")[0]], args, now)
            step = step if drawn is None else {**step, "error": "allowed by the oracle"}
        steps.append(step)
    return steps


def line(it):
    return json.dumps(it, ensure_ascii=False)


def layout(document):
    """One case in two lines: what it is called and why, then what goes in and what must come out."""
    cases = []
    for case in document["tests"]:
        head = line({name: case[name] for name in ("id", "comment")})
        body = line({name: it for name, it in case.items() if name not in ("id", "comment")})
        cases.append(f"    {head[:-1]},\n     {body[1:]}")
    top = "".join(f"  {line(name)}: {line(it)},\n" for name, it in document.items() if name != "tests")
    return "{\n" + top + '  "tests": [\n' + ",\n".join(cases) + "\n  ]\n}\n"


def main(arguments):
    if arguments[:1] == ["seal"] and len(arguments) == 2:
        print(arguments[1] + checksum(arguments[1]))
        return 0
    if arguments not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    differing = 0
    for name in ("key", "hash", "stored_rows", "limit"):
        path = HERE / f"{name}.json"
        before = path.read_text(encoding="utf-8")
        document = json.loads(before)
        part = "steps" if name == "limit" else "expect"
        for case in document["tests"]:
            computed = limited(case) if name == "limit" else expected(name, case)
            if computed != case[part]:
                differing += 1
                print(f"{name}.json {case['id']}: {line(case[part])} stands there, {line(computed)} is computed", file=sys.stderr)
            case[part] = computed
        document["count"] = len(document["tests"])
        if arguments:
            path.write_text(layout(document), encoding="utf-8")
        elif layout(document) != before:
            differing += 1
            print(f"{name}.json: is not laid out as --write does it", file=sys.stderr)
        print(f"{name} {len(document['tests'])}")
    return 1 if differing and not arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
