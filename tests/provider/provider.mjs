// An OpenID provider, by `oidc-provider`, whose clients get JWTs as access tokens. As a program it listens on a port of its own,
// prints its issuer, and then does what each line of standard input says: `rotate [ALGORITHM]` signs with a new key and drops the
// former one, `down` and `up` stop and start it, and `requests` counts those that were answered. It answers each line with one.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, request } from "node:http";
import { createInterface } from "node:readline";
import { json } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { Provider } from "oidc-provider";

export const AUDIENCE = "https://api.example";

const KINDS = {
  RS256: ["rsa", { modulusLength: 2048 }],
  ES256: ["ec", { namedCurve: "P-256" }],
  EdDSA: ["ed25519", {}],
};

export class TestProvider {
  #server;
  #port = 0;
  #answer;
  #made = 0;
  #asked = 0;

  /** Makes the provider and has it listen. */
  async start() {
    await this.up();
    this.rotate("RS256");
    return this;
  }

  get issuer() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** How many requests for keys were answered. */
  get requests() {
    return this.#asked;
  }

  async up() {
    this.#server = createServer((request, response) => {
      this.#asked += request.url === "/jwks" ? 1 : 0;
      this.#answer(request, response);
    });
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = this.#server.address().port;
  }

  async down() {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  /** From now on another key signs. */
  rotate(algorithm) {
    const { privateKey } = generateKeyPairSync(...KINDS[algorithm]);
    this.#made += 1;
    const key = { ...privateKey.export({ format: "jwk" }), kid: `key-${this.#made}`, alg: algorithm, use: "sig" };
    const provider = new Provider(this.issuer, {
      clients: [
        {
          client_id: "alice",
          client_secret: "a secret of this client",
          grant_types: ["client_credentials"],
          redirect_uris: [],
          response_types: [],
          id_token_signed_response_alg: algorithm,
        },
      ],
      jwks: { keys: [key] },
      ttl: { ClientCredentials: 7 * 24 * 3600 },
      cookies: { keys: ["a key for cookies"] },
      extraTokenClaims: () => ({ org: "acme" }),
      enabledJWA: { idTokenSigningAlgValues: [algorithm] },
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => AUDIENCE,
          getResourceServerInfo: () => ({
            scope: "keys:read keys:manage",
            audience: AUDIENCE,
            accessTokenFormat: "jwt",
            accessTokenTTL: 7 * 24 * 3600,
            jwt: { sign: { alg: algorithm } },
          }),
        },
      },
    });
    this.#answer = provider.callback();
  }

  /** An access token that the provider gives to its client. */
  async token() {
    const body = new URLSearchParams({ grant_type: "client_credentials", scope: "keys:manage", resource: AUDIENCE });
    const authorization = `Basic ${btoa(`alice:${encodeURIComponent("a secret of this client")}`)}`;
    const headers = { authorization, "content-type": "application/x-www-form-urlencoded" };
    // `fetch` would keep a connection across `down`.
    const asked = request(`${this.issuer}/token`, { method: "POST", headers, agent: false });
    asked.end(body.toString());
    const [response] = await once(asked, "response");
    const answer = await json(response);
    if (response.statusCode !== 200) throw new Error(JSON.stringify(answer));
    return answer.access_token;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  // Standard output is for the answers alone.
  console.info = console.error;
  const provider = await new TestProvider().start();
  const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
  say(provider.issuer);
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, argument] = line.split(" ");
    const done = { rotate: () => provider.rotate(argument ?? "RS256"), down: () => provider.down(), up: () => provider.up() };
    if (word === "token") say(await provider.token());
    else if (word === "requests") say(provider.requests);
    else say((await done[word]()) ?? word);
  }
  await provider.down();
}
