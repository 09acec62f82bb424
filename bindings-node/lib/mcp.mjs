import * as errors from "@modelcontextprotocol/sdk/server/auth/errors.js";
import mcp from "./mcp-verifier.cjs";

export const tokenVerifier = mcp.verifying(errors);
export const { getApiKey } = mcp;
