import express from "./express.cjs";

export const { guard, getApiKey } = express;
