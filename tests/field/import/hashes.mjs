// Issues keys with prefixed-api-key, and hashes secrets with both libraries named bcrypt: `hashes.mjs FOLDER`.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

import bcrypt from "bcrypt";
import bcryptjs from "bcryptjs";
import { generateAPIKey } from "prefixed-api-key";

const folder = process.argv[2];
const write = (file, lines, texts) => {
  writeFileSync(`${folder}/${file}`, lines.map((line) => `${line}\n`).join(""));
  writeFileSync(`${folder}/${file}.texts`, texts.map((text) => `${JSON.stringify({ text, code: "allowed" })}\n`).join(""));
};

const keys = [];
for (let index = 0; index < 20; index += 1) keys.push(await generateAPIKey({ keyPrefix: "mycompany" }));
keys.push(await generateAPIKey({ keyPrefix: "mycompany", shortTokenPrefix: "x", shortTokenLength: 12, longTokenLength: 40 }));
const stored = keys.map(({ shortToken, longTokenHash }) => JSON.stringify({ shortToken, longTokenHash }));
write("prefixed.jsonl", stored, keys.map(({ token }) => token));

const rows = [];
const texts = [];
for (const [name, library] of Object.entries({ bcrypt, bcryptjs })) {
  for (const cost of [4, 8]) {
    const prefix = randomBytes(4).toString("hex");
    const secret = randomBytes(24).toString("base64url");
    rows.push(`${prefix},${await library.hash(secret, cost)},${name} ${cost},read_write`);
    texts.push(`lw_${prefix}_${secret}`);
  }
}
write("bcrypt.csv", ["prefix,hash,name,level", ...rows], texts);
