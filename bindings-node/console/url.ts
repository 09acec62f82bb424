// The filter in the address of the page, so that it can be kept and passed on.
import { type Filter, NO_FILTER } from "./list.js";

const NAMES = ["search", "status", "environment"] as const;

/** `prefix` tells apart several lists on one page; null keeps nothing in the address. */
export function readFilter(prefix: string | null): Filter {
  const filter = { ...NO_FILTER };
  if (prefix === null) return filter;
  const query = new URLSearchParams(location.search);
  for (const name of NAMES) filter[name] = query.get(`${prefix}-${name}`)?.slice(0, 200) ?? "";
  return filter;
}

export function writeFilter(prefix: string | null, filter: Filter): void {
  if (prefix === null) return;
  const url = new URL(location.href);
  for (const name of NAMES) {
    if (filter[name]) url.searchParams.set(`${prefix}-${name}`, filter[name]);
    else url.searchParams.delete(`${prefix}-${name}`);
  }
  history.replaceState(history.state, "", url);
}
