import { getCaller } from "keywright/next";
import { keys } from "../../keys.mjs";
import { counted, http, told } from "../../../setup.mjs";

const handler = keys.withApiKey((request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/crash") throw new Error("it broke");
  if (pathname === "/count") return Response.json(counted(request.url), { status: 201, headers: { location: "/counted" } });
  const headers = pathname === "/own" ? { "cache-control": "private", vary: "accept" } : {};
  return Response.json(told(getCaller(request)), { status: pathname === "/fail" ? 418 : 200, headers });
});

const every = { GET: handler, HEAD: handler, POST: handler, PUT: handler, PATCH: handler, DELETE: handler, OPTIONS: handler };
const managed = http.path && keys.management({ mount: "", principal: keys.principal, otherwise: handler });

export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = managed || every;
