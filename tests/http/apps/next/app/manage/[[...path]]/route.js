import { keys } from "../../../keys.mjs";

export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = keys.management({ mount: "/manage", principal: keys.principal });
