import { getCaller } from "keywright/next";
import { keys } from "../../keys.mjs";
import { counted, told } from "../../../setup.mjs";

const handler = keys.withApiKey((request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/crash") throw new Error("it broke");
  if (pathname === "/count") return Response.json(counted(request.url), { status: 201, headers: { location: "/counted" } });
  const headers = pathname === "/own" ? { "cache-control": "private", vary: "accept" } : {};
  return Response.json(told(getCaller(request)), { status: pathname === "/fail" ? 418 : 200, headers });
});

export { handler as GET, handler as HEAD, handler as POST, handler as PUT, handler as PATCH, handler as DELETE, handler as OPTIONS };
