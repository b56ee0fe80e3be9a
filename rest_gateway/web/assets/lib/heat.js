// A square table of what rows and columns have in common, shaded by the share of the row.

import { h, withShare } from "./dom.js";
import { formatNumber, formatPercent } from "./texts.js";

// Where white is read better than black on the colour of a share.
const WHITE_ABOVE = 0.83;

/** `names` of rows and columns, and `counts(row, column)`; the diagonal is all of a row. */
export function heatTable(caption, corner, names, counts) {
  const head = h("tr", {}, h("th", { scope: "col" }, corner), names.map((name) => h("th", { scope: "col", class: "number" }, name)));
  const rows = names.map((name, row) =>
    h("tr", {}, h("th", { scope: "row" }, name), names.map((_, column) => heat(counts(row, column), counts(row, row)))),
  );
  return h(
    "div",
    { class: "scroll narrow", role: "region", tabindex: 0, "aria-label": caption },
    h("table", { class: "heat" }, h("caption", { class: "offscreen" }, caption), h("thead", {}, head), h("tbody", {}, rows)),
  );
}

function heat(both, all) {
  const share = both / (all || 1);
  const cell = h("td", { class: share > WHITE_ABOVE ? "number hot" : "number", title: formatPercent(share) }, formatNumber(both));
  return withShare(cell, share);
}
