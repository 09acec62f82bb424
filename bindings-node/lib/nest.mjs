import nest from "./nest.cjs";

export const { ApiKey, KeywrightModule, Public, Refused, Requires, getApiKey } = nest;
