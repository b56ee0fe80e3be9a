// What stands where data should be: that it is loading, that there is none, or what went wrong.

import { ApiError, NEEDS_TOKEN } from "./api.js";
import { button, h } from "./dom.js";
import { formatNumber, known, t, told } from "./texts.js";

const RETRY_S = 5;
const LOADING_MS = 200;
const turns = new WeakMap();

/** What went wrong, in words. */
export function explain(error) {
  if (!(error instanceof ApiError)) return t("error.page", { detail: error.message });
  const { status, problem } = error;
  if (status === 0) return t("error.offline");
  if (status === 401) return t(document.getElementById("sign_in") ? "error.signed_out" : "error.token");
  if (status === 403) return t("error.forbidden");
  if (status === 413 && problem.limit)
    return t("error.limit", { limit: formatNumber(problem.limit), unit: known(`value.${problem.unit}`, problem.unit) });
  if (status === 502) return t("error.failed");
  if (status === 503) return t("error.away");
  if (status === 504) return t("error.late");
  return told(problem.detail, problem.reason, problem.parameters) || t("error.status", { status });
}

/**
 * Show `work`'s nodes in a place; while it runs and when it fails, say so there. What is asked for
 * later wins, whichever is answered first; work is given a function that tells whether it is that.
 */
export async function fill(place, work) {
  const turn = {};
  turns.set(place, turn);
  const current = () => turns.get(place) === turn;
  const loading = () => current() && place.replaceChildren(h("p", { class: "quiet" }, t("common.loading")));
  const wait = setTimeout(loading, LOADING_MS);
  place.setAttribute("aria-busy", "true");
  try {
    const nodes = await work(current);
    if (!current()) return false;
    place.replaceChildren(...[nodes].flat());
    return true;
  } catch (error) {
    if (current()) place.replaceChildren(failure(error, () => fill(place, work)));
    return false;
  } finally {
    clearTimeout(wait);
    if (current()) place.removeAttribute("aria-busy");
  }
}

/** A box that says what went wrong; what is only away, or wants a token, is asked again by itself. */
export function failure(error, again) {
  const box = h("div", { class: "notice bad", role: "alert" }, h("p", {}, explain(error)));
  for (const each of error.problem?.errors?.slice(0, 10) ?? []) {
    if (each.detail === error.problem.detail) continue;
    const place = each.line ? t("lookup.line", { line: each.line }) : each.field;
    box.append(h("p", {}, `${place}: ${told(each.detail, each.reason, each.parameters)}: ${each.value}`));
  }
  if (!again) return box;
  const retry = () => box.isConnected && again();
  if (NEEDS_TOKEN.has(error.status)) addEventListener("tokenchange", retry, { once: true });
  else if (!refused(error.status)) box.append(button(t("common.again"), again));
  if (error.status === 0 || error.status === 503) {
    const seconds = Math.max(error.retryAfter ?? 0, RETRY_S);
    setTimeout(() => !box.contains(document.activeElement) && retry(), seconds * 1000);
  }
  return box;
}

/** Whether the same question would get the same answer; 429 is for those who come too often. */
const refused = (status) => status >= 400 && status < 500 && status !== 429;

export const empty = (text) => h("p", { class: "notice" }, text);
