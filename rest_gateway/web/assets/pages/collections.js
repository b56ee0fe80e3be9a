// The page "Collections": which there are, and how many events those that are ticked have in common.

import { address, getJson } from "../lib/api.js";
import { closedBadge, collectionText } from "../lib/catalogue.js";
import { byId, h, timeAgo } from "../lib/dom.js";
import { heatTable } from "../lib/heat.js";
import { empty, fill } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { t } from "../lib/texts.js";

const TICKED_AT_FIRST = 8;
const COMPARED_MAX = 32;
const filter = byId("filter");
const ticked = new Set();

const columns = [
  { title: t("collections.compare"), cell: tick },
  { title: t("field.name"), cell: (each) => collectionText(each.name) },
  { title: t("collections.made_from"), cell: (each) => each.made_from && collectionText(each.made_from) },
  { title: t("field.state"), cell: (each) => closedBadge(each.state) },
  { title: t("field.events"), number: true, cell: (each) => each.events },
  { title: t("menu.runs"), number: true, cell: (each) => each.runs },
  { title: t("field.created"), cell: (each) => timeAgo(each.created) },
  { title: t("field.comment"), cell: (each) => each.comment },
];

function tick({ name }) {
  const box = h("input", { type: "checkbox", "aria-label": `${t("collections.compare")} ${name}` });
  box.checked = ticked.has(name);
  box.addEventListener("change", () => {
    if (box.checked) ticked.add(name);
    else ticked.delete(name);
    showOverlap();
  });
  return box;
}

async function showCollections() {
  const { collections } = await getJson("/collections");
  const filled = collections.filter((each) => Number(each.events));
  for (const { name } of filled.slice(0, TICKED_AT_FIRST)) ticked.add(name);
  byId("overlap_section").hidden = filled.length < 2;
  if (filled.length > 1) showOverlap();
  return table(t("menu.collections"), columns, collections, { stack: true });
}

function showOverlap() {
  return fill(byId("overlap"), async () => {
    const names = [...ticked];
    if (names.length < 2 || names.length > COMPARED_MAX) return empty(t("collections.how_many", { n: COMPARED_MAX }));
    const { run_first, run_last } = Object.fromEntries(new FormData(filter));
    const query = new URLSearchParams(names.map((name) => ["collection", name]));
    const asked = address("/collections/overlap", { run_first, run_last });
    const { events } = await getJson(`${asked}${asked.includes("?") ? "&" : "?"}${query}`);
    const count = (row, column) => Number(events[row][column]);
    return heatTable(t("collections.overlap"), t("field.collection"), names.map(collectionText), count);
  });
}

filter.addEventListener("submit", (event) => {
  event.preventDefault();
  showOverlap();
});
filter.addEventListener("reset", () => setTimeout(showOverlap));
fill(byId("collections"), showCollections);
