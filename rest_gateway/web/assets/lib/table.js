// Tables of any length: columns that sort at the server, and a button for the next page.

import { announce, button, h } from "./dom.js";
import { empty, fill, failure } from "./notice.js";
import { formatNumber, t } from "./texts.js";

/**
 * A table's rows from an array.
 *
 * A column is {title, cell(row), number?, id?, sort?}; `cell` gives a node or text. Numbers get
 * thousands separators; ids, such as run numbers, do not, so that they can be copied. `sort` is the
 * name that the server sorts by. With `stack` each row becomes a block at phone width; the roles
 * keep it a table for those who listen.
 */
export function table(caption, columns, rows, options = {}) {
  const head = columns.map((column) => headCell(column, options));
  const body = h("tbody");
  const element = h(
    "table",
    options.stack ? { class: "stack", role: "table" } : {},
    h("caption", { class: "offscreen" }, caption),
    h("thead", {}, h("tr", {}, head)),
    body,
  );
  append(body, columns, rows);
  return h("div", { class: options.narrow ? "scroll narrow" : "scroll", role: "region", tabindex: 0, "aria-label": caption }, element);
}

/** Add rows to the body of a table. */
export function append(body, columns, rows) {
  for (const row of rows)
    body.append(
      h(
        "tr",
        { role: "row" },
        columns.map((column) => h("td", { role: "cell", class: numeric(column), "data-title": column.title }, cell(column, row))),
      ),
    );
}

function cell(column, row) {
  const content = column.cell(row) ?? "";
  if (content instanceof Node || content === "") return content;
  return column.number ? formatNumber(content) : String(content);
}

const numeric = (column) => (column.number || column.id ? "number" : null);

function headCell(column, { order, onsort }) {
  if (!column.sort || !onsort) return h("th", { scope: "col", class: numeric(column) }, column.title);
  const sorted = order === column.sort ? "ascending" : order === `${column.sort} desc` ? "descending" : null;
  const next = sorted === "descending" ? column.sort : sorted ? `${column.sort} desc` : first(column);
  const sortButton = button(column.title, () => onsort(next), { class: "sort", "data-sort": column.sort });
  return h("th", { scope: "col", class: numeric(column), "aria-sort": sorted }, sortButton);
}

// Numbers and times are wanted largest first.
const first = (column) => (column.number || column.descending ? `${column.sort} desc` : column.sort);

/**
 * A table in `place` that fetches its pages.
 *
 * @param load gives {rows, next} for (order, next); next is the address of the next page or null.
 * @param onrows is told all rows that are shown; none where they could not be had.
 */
export function pagedTable(place, { caption, columns, order, load, none, stack, onrows = () => {} }) {
  const show = (wanted, focus) =>
    fill(place, async (current) => {
      order = wanted;
      const page = await load(order, null).catch((error) => {
        if (current()) onrows([]);
        throw error;
      });
      if (current()) onrows(page.rows);
      if (!page.rows.length) return empty(none);
      const shown = table(caption, columns, page.rows, { order, stack, onsort: (next) => show(next, true) });
      const count = h("span", { class: "quiet" });
      const footer = h("div", { class: "row" }, count);
      let rows = page.rows;
      const update = (next) => {
        count.textContent = t("common.rows", { n: rows.length });
        more.hidden = !next;
        more.onclick = () => loadMore(next);
      };
      const more = button(t("common.more"));
      const loadMore = async (next) => {
        more.disabled = true;
        try {
          const added = await load(order, next);
          append(shown.querySelector("tbody"), columns, added.rows);
          rows = [...rows, ...added.rows];
          onrows(rows);
          update(added.next);
          announce(t("common.rows", { n: rows.length }));
        } catch (error) {
          footer.append(failure(error));
        }
        more.disabled = false;
      };
      footer.append(more);
      update(page.next);
      if (focus) queueMicrotask(() => refocus(shown));
      return [shown, footer];
    });
  return { reload: () => show(order) };
}

function refocus(shown) {
  shown.querySelector("th[aria-sort] button")?.focus();
}
