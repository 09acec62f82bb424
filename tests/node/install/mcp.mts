// A host's program with the MCP SDK, for the compiler alone.

import type { OAuthTokenVerifier } from "@modelcontextprotocol/sdk/server/auth/provider.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { Keywright, type Key } from "keywright";
import { getApiKey, tokenVerifier } from "keywright/mcp";

const kw = new Keywright("sqlite:keys.db", { brand: "liq" });
export const verifier: OAuthTokenVerifier = tokenVerifier(kw.org("acme"), { scopes: ["deals:read"], method: "POST" });

new McpServer({ name: "deals", version: "1.0.0" }).registerTool("who", {}, (extra) => {
  const key: Key | null = getApiKey(extra);
  return { content: [{ type: "text" as const, text: key?.name ?? "nobody" }] };
});

// @ts-expect-error: the SDK tells no address
tokenVerifier(kw, { ip: "127.0.0.1" });
