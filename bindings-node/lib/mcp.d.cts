// @ts-ignore: The MCP SDK is optional: without its types, they are `any`.
import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import type { Key, Request, View } from "./index.cjs";

/** The needs of every token. A key with networks is refused, since the SDK does not pass the address of the client. */
export interface TokenVerifierOptions extends Pick<Request, "scopes" | "operation" | "cost" | "environment"> {
  /** The HTTP method to verify with. A key with a level other than `full` requires it; MCP uses `POST`. */
  method?: string | undefined;
}

/** The verifier for the SDK's `requireBearerAuth({ verifier })`. */
export interface TokenVerifier {
  /**
   * Returns the id of the key as `clientId` and the key as `extra.key`. Throws the SDK's `InvalidTokenError`,
   * `InsufficientScopeError`, `TooManyRequestsError`, or `ServerError` if the store is unavailable.
   */
  verifyAccessToken(token: string): Promise<AuthInfo & { expiresAt: number; extra: { key: Key } }>;
}

/** Makes a verifier that takes API keys as access tokens. Throws for wrong options. */
export function tokenVerifier(kw: Pick<View, "verify">, options?: TokenVerifierOptions): TokenVerifier;

/** Returns the key behind a tool's `extra`, or behind a request that the SDK's middleware let through; null if there is none. */
export function getApiKey(from: { authInfo?: AuthInfo | undefined; auth?: AuthInfo | undefined }): Key | null;
