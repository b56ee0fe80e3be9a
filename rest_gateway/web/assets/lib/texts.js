// The texts of the page in the reader's language, and numbers and times as people there write them.
// The catalogue comes with the page.

const catalogue = JSON.parse(document.getElementById("texts").textContent);
export const language = document.documentElement.lang;
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language, { useGrouping: "always" });
const compact = new Intl.NumberFormat(language, {
  notation: "compact",
  maximumSignificantDigits: 3,
});
const percents = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });

/** A text; `{name}` is replaced by the value, and `{n}` chooses the plural. */
export function t(key, values = {}) {
  let text = catalogue[key];
  if (text === undefined) throw new Error(`no text ${key}`);
  if (typeof text === "object") text = text[plurals.select(Number(values.n))] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, name) =>
    name === "n" ? formatNumber(values.n) : values[name],
  );
}

/** The text of a key that may be missing, else the fallback: reasons and kinds of the services. */
export function known(key, fallback) {
  return typeof catalogue[key] === "string" ? catalogue[key] : fallback;
}

/** A whole number, or the digits of one, with thousands separators. */
export function formatNumber(value) {
  return numbers.format(typeof value === "string" ? BigInt(value) : value);
}

export const formatCompact = (value) => compact.format(value);
export const formatPercent = (share) => percents.format(share);

/** A time of the API, the same in all languages; empty for null. */
export function formatTime(value) {
  return value ? `${new Date(value).toISOString().slice(0, 19).replace("T", " ")} UTC` : "";
}
