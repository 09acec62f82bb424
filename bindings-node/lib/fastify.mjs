import fastify from "./fastify.cjs";

export const { guard, getApiKey } = fastify;
