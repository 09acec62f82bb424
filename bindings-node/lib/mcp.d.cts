// @ts-ignore: The MCP SDK is optional: where its types are missing, they are `any`.
import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import type { Key, Request, View } from "./index.cjs";

/** What every token must do; a key whose networks are limited is refused, since the SDK tells no address. */
export interface TokenVerifierOptions extends Pick<Request, "scopes" | "operation" | "cost" | "environment"> {
  /** The HTTP method to judge by, which a key with a level other than `full` cannot do without; MCP asks by `POST`. */
  method?: string | undefined;
}

/** What the SDK's `requireBearerAuth({ verifier })` takes. */
export interface TokenVerifier {
  /**
   * Who a key is: its id as `clientId`, itself as `extra.key`. Throws the SDK's `InvalidTokenError`, `InsufficientScopeError`,
   * `TooManyRequestsError`, or, where nobody can say now, `ServerError`.
   */
  verifyAccessToken(token: string): Promise<AuthInfo & { expiresAt: number; extra: { key: Key } }>;
}

/** A verifier of access tokens by API keys; wrong options are refused here. */
export function tokenVerifier(kw: Pick<View, "verify">, options?: TokenVerifierOptions): TokenVerifier;

/** The key behind a tool's `extra`, or behind a request that the SDK's middleware let in; null where there is none. */
export function getApiKey(from: { authInfo?: AuthInfo | undefined; auth?: AuthInfo | undefined }): Key | null;
