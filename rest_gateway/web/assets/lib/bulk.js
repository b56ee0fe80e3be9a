// The same done to all that a filter finds: gathered, then one by one. Never asks whether to.

import { getJson } from "./api.js";
import { announce } from "./dom.js";
import { t } from "./texts.js";

export const FOUND_MAX = 10_000;
const TOLD_EVERY = 100;

/** The rows of all pages of a list, up to a limit. */
export async function gather(path, parameters, name) {
  let page = await getJson(path, { ...parameters, page_size: 1000 });
  const rows = page[name];
  while (page.next && rows.length < FOUND_MAX) {
    page = await getJson(page.next);
    rows.push(...page[name]);
  }
  return rows;
}

/** Do it to each and say how it went; what cannot be done to one does not stop the others. */
export async function forEach(rows, work) {
  let done = 0;
  for (const [index, row] of rows.entries()) {
    try {
      await work(row);
      done += 1;
    } catch (error) {
      const itself = error.status === 400 || error.status === 404 || error.status === 409;
      if (!itself) throw error;
    }
    if (index % TOLD_EVERY === 0) announce(`${index} / ${rows.length}`);
  }
  return { text: t("common.done_of", { done, all: rows.length }), good: done === rows.length };
}
