import hono from "./hono.cjs";

export const { guard, getApiKey } = hono;
