// Elements, and what pages do with text: copy it, save it.

import { address, ask, token } from "./api.js";
import { nameOf } from "./dataset_names.js";
import { formatAgo, formatTime, t } from "./texts.js";

/** An element: attributes, `on…` handlers, and children that are nodes or text. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

export const byId = (id) => document.getElementById(id);

export const link = (href, ...children) => h("a", { href }, ...children);
/** The page of a run; without a collection that of "raw". */
export const runAddress = (run, collection) =>
  `/runs/${run}${collection && collection !== "raw" ? `?collection=${encodeURIComponent(collection)}` : ""}`;
export const runLink = (run, collection) => link(runAddress(run, collection), String(run));
/** A dataset by its name, once that is known; by its number before, and where it has none. */
export function datasetLink(dsid) {
  const found = link(`/datasets/${dsid}`, String(dsid));
  nameOf(dsid).then((name) => {
    if (!name) return;
    found.textContent = name;
    found.title = String(dsid);
  });
  return found;
}
export const fileLink = (fuid) => h("a", { href: `/files/${fuid}`, class: "fuid" }, fuid);
/** A file by its id, and under it what is known of where it is. */
export const namedFile = (fuid, { name, url }) =>
  name || url ? h("span", {}, fileLink(fuid), h("br"), h("span", { class: "quiet fuid" }, url || name)) : fileLink(fuid);
export const badge = (text, kind = "") => h("span", { class: `badge ${kind}` }, text);
export const button = (text, onclick, attributes = {}) =>
  h("button", { type: "button", onclick, ...attributes }, text);

/** A time by how long ago it was; the time itself on hover. */
export function timeAgo(value, now) {
  if (!value) return "";
  return h("time", { datetime: value, title: formatTime(value) }, formatAgo(value, now && Date.parse(now)));
}

/** Says something to those who listen instead of looking. */
export function announce(text) {
  byId("status").textContent = text;
}

/** Copy text; where the browser has no clipboard for this address, by a selection. */
export async function copy(text, pressed) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { readonly: true, class: "offscreen" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    pressed.focus();
  }
  announce(t("common.copied"));
  const before = pressed.textContent;
  pressed.textContent = t("common.copied");
  setTimeout(() => (pressed.textContent = before), 1500);
}

/** A button that copies what `text()` gives. */
export const copyButton = (label, text, attributes) =>
  button(label, (event) => copy(text(), event.currentTarget), attributes);

/** Save text as a file. */
export function save(name, text, type = "text/csv") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A link that saves what a call answers; links carry no token, so with one it is fetched first. */
export function downloadLink(path, parameters, name, text) {
  const found = h("a", { href: address(path, parameters), download: name }, text);
  found.addEventListener("click", async (event) => {
    if (!token.get()) return;
    event.preventDefault();
    found.setAttribute("aria-busy", "true");
    try {
      save(name, await (await ask(path, { parameters })).blob());
    } catch {
      announce(t("error.download"));
      found.append(badge(t("error.download"), "bad"));
    }
    found.removeAttribute("aria-busy");
  });
  return found;
}

/** The bits that are set in a mask given as number or digits, as "0, 3"; a dash where none is. */
export function bits(mask) {
  const value = BigInt(mask ?? 0);
  const set = [...Array(64).keys()].filter((bit) => (value >> BigInt(bit)) & 1n);
  return set.join(", ") || "–";
}

/** Set --share, 0 to 1, on an element: the length of its bar, or the shade of a cell. */
export function withShare(element, share) {
  element.style.setProperty("--share", share);
  return element;
}
