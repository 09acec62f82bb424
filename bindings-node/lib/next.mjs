import next from "./next.cjs";

export const { guard, getApiKey, getCaller, register, withKeywright } = next;
