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

/** A sentence of the services in the reader's language, by its reason and what stands in it; else as it came. */
export function told(sentence, reason, parameters) {
  const text = catalogue[`told.${reason}`];
  if (!text) return sentence;
  return text.replace(/\{(\w+)\}/g, (_, name) => known(`value.${parameters[name]}`, parameters[name] ?? ""));
}

/** A whole number, or the digits of one, with thousands separators. */
export function formatNumber(value) {
  return numbers.format(typeof value === "string" ? BigInt(value) : value);
}

const BYTES = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** A number of bytes in the largest unit that fits. */
export function formatBytes(value) {
  const power = Math.min(BYTES.length - 1, Math.max(0, Math.floor(Math.log10(Number(value) || 1) / 3)));
  return new Intl.NumberFormat(language, {
    style: "unit",
    unit: BYTES[power],
    unitDisplay: "long",
    maximumSignificantDigits: 3,
  }).format(Number(value) / 1000 ** power);
}

export const formatCompact = (value) => compact.format(value);
export const formatPercent = (share) => percents.format(share);

const UNITS_S = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
const spans = (unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 0 });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
const unitOf = (seconds) => UNITS_S.find(([, size]) => seconds >= size) ?? UNITS_S.at(-1);

/** Seconds in the largest unit that fits. */
export function formatSpan(seconds) {
  const [unit, size] = unitOf(seconds);
  return spans(unit).format(Math.round(seconds / size));
}

/** How long ago a time was, or in how long it will be. */
export function formatAgo(value, now = Date.now()) {
  const seconds = Math.round((Date.parse(value) - now) / 1000);
  const [unit, size] = unitOf(Math.abs(seconds));
  return relative.format(Math.trunc(seconds / size), unit);
}

/** A time of the API, the same in all languages; empty for null. */
export function formatTime(value) {
  return value ? `${new Date(value).toISOString().slice(0, 19).replace("T", " ")} UTC` : "";
}
