// Makes keys, their JWKS and tokens with one library: `sign.mjs LIBRARY` prints them as JSON for session.py.
import { generateKeyPairSync } from "node:crypto";
import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";

const claims = { sub: "alice", org: "acme", exp: Math.floor(Date.now() / 1000) + 3600 };

const libraries = {
  async jose(alg) {
    const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
    const sign = () => new jose.SignJWT(claims).setProtectedHeader({ alg, kid: alg }).sign(privateKey);
    return { jwk: await jose.exportJWK(publicKey), sign };
  },
  async jsonwebtoken(alg) {
    const [kind, options] = alg === "RS256" ? ["rsa", { modulusLength: 2048 }] : ["ec", { namedCurve: "P-256" }];
    const { publicKey, privateKey } = generateKeyPairSync(kind, options);
    const sign = () => jsonwebtoken.sign(claims, privateKey, { algorithm: alg, keyid: alg });
    return { jwk: publicKey.export({ format: "jwk" }), sign };
  },
};

const name = process.argv[2];
// jsonwebtoken has no Ed25519.
const algorithms = name === "jsonwebtoken" ? ["RS256", "ES256"] : ["RS256", "ES256", "EdDSA", "Ed25519"];
const made = { jwks: { keys: [] }, good: [], bad: [] };
for (const alg of algorithms) {
  const { jwk, sign } = await libraries[name](alg);
  made.jwks.keys.push({ ...jwk, kid: alg });
  made.good.push(await sign());
  made.bad.push(await (await libraries[name](alg)).sign());
}
console.log(JSON.stringify(made));
