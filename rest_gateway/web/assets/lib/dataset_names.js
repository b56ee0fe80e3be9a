// Names of datasets by number, asked for once a page. Touches no element.

import { getJson } from "./api.js";

// A page that shows more has numbers for the rest.
const ASKED_MAX = 60;
const names = new Map();

/** The name of a dataset; null where it has none of its own, or cannot be had. */
export function nameOf(dsid) {
  const key = String(dsid);
  if (!names.has(key) && names.size < ASKED_MAX) names.set(key, ask(key));
  return names.get(key) ?? Promise.resolve(null);
}

async function ask(dsid) {
  try {
    const { name } = await getJson(`/datasets/${dsid}`);
    return name === `dsid-${dsid}` ? null : name;
  } catch {
    return null;
  }
}
