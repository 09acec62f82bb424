// Asks about keys as oauth4webapi does: `clients.mjs METHOD`, where METHOD is how the client authenticates.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";

const site = JSON.parse(process.env.SITE);
const server = { issuer: new URL(site.url).origin, introspection_endpoint: site.url };
const authentication = { client_secret_basic: oauth.ClientSecretBasic, client_secret_post: oauth.ClientSecretPost }[process.argv[2]];

async function ask(id, secret, token) {
  const client = { client_id: id };
  const options = { [oauth.allowInsecureRequests]: true, additionalParameters: { resource: "https://acme.example" } };
  const response = await oauth.introspectionRequest(server, client, authentication(secret), token, options);
  return oauth.processIntrospectionResponse(server, client, response);
}

for (const id of [site.id, site.prefix]) {
  const { active, client_id, scope } = await ask(id, site.secret, site.good);
  assert.deepEqual({ active, client_id, scope }, { active: true, client_id: site.good_id, scope: "deals:read" });
}
for (const token of ["nonsense", site.revoked]) assert.deepEqual(await ask(site.id, site.secret, token), { active: false });

const scheme = process.argv[2] === "client_secret_basic" ? "basic" : "bearer";
for (const [id, secret] of [[site.id, "nonsense"], [site.good_id, site.secret], [site.id, site.revoked]]) {
  await assert.rejects(ask(id, secret, site.good), (error) => {
    assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, String(error));
    assert.equal(error.status, 401);
    assert.equal(error.cause[0].scheme, scheme);
    return true;
  });
}
