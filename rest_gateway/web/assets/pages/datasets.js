// The page "Datasets": a table that sorts and filters.

import { fromAddress, toAddress } from "../lib/address.js";
import { getJson } from "../lib/api.js";
import { stateBadge } from "../lib/catalogue.js";
import { chosenCollection } from "../lib/collection.js";
import { byId, link, timeAgo } from "../lib/dom.js";
import { pagedTable } from "../lib/table.js";
import { t } from "../lib/texts.js";

const filter = byId("filter");
const ORDER = "dsid_raw";

const columns = [
  { title: t("field.dataset"), id: true, sort: "dsid_raw", cell: (dataset) => link(`/datasets/${dataset.dsid_raw}`, String(dataset.dsid_raw)) },
  { title: t("field.name"), sort: "name", cell: (dataset) => dataset.name },
  { title: t("field.state"), cell: (dataset) => (dataset.state === "open" ? "" : stateBadge(dataset.state)) },
  { title: t("field.events"), number: true, sort: "events", cell: (dataset) => dataset.events },
  { title: t("field.files"), number: true, cell: (dataset) => dataset.files },
  { title: t("field.created"), sort: "created", descending: true, cell: (dataset) => timeAgo(dataset.created) },
  { title: t("field.comment"), cell: (dataset) => dataset.comment },
];

const datasets = pagedTable(byId("datasets"), {
  caption: t("menu.datasets"),
  columns,
  order: new URLSearchParams(location.search).get("order_by") ?? ORDER,
  stack: true,
  none: t("datasets.none"),
  async load(order, next) {
    if (!next) toAddress(filter, { order_by: order === ORDER ? "" : order });
    const { state, name_contains } = Object.fromEntries(new FormData(filter));
    const parameters = { state, name_contains, collection: chosenCollection(), order_by: order, page_size: 100 };
    const page = await (next ? getJson(next) : getJson("/datasets", parameters));
    return { rows: page.datasets, next: page.next };
  },
});

filter.addEventListener("submit", (event) => {
  event.preventDefault();
  datasets.reload();
});
addEventListener("collectionchange", () => datasets.reload());
filter.addEventListener("reset", () => setTimeout(datasets.reload));
fromAddress(filter);
datasets.reload();
