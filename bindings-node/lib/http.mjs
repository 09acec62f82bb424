import http from "./http.cjs";

export const { Http, Needs, authenticateRequest, manageRequest } = http;
