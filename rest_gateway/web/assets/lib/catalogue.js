// What several pages show of runs, datasets and files.

import { getJson } from "./api.js";
import { badge, datasetLink, h, namedFile, runLink } from "./dom.js";
import { pagedTable } from "./table.js";
import { known, t } from "./texts.js";

export const stateBadge = (state) => badge(known(`state.${state}`, state), state === "open" ? "good" : "");
/** In tables only what is not open says something. */
export const closedBadge = (state) => (state === "open" ? "" : stateBadge(state));

const TELESCOPE = "cosmic.";
export const telescopeCollection = (detector) => TELESCOPE + detector;
/** A collection as people read it: a telescope's is the telescope. */
export const collectionText = (name) =>
  name.startsWith(TELESCOPE) ? t("collection.telescope", { id: name.slice(TELESCOPE.length) }) : name;

/** Pairs of what and how much, as a list. */
export function facts(entries) {
  return h("dl", { class: "facts" }, entries.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

/** What a file holds of a run. */
export function fileOfRunColumns() {
  return [
    { title: t("field.events"), number: true, sort: "events", cell: (file) => file.events },
    { title: t("field.event_first"), id: true, cell: (file) => file.event_first },
    { title: t("field.event_last"), id: true, cell: (file) => file.event_last },
  ];
}

/** The subject of a page; where there is none, what else the page has of it goes away. */
export async function getSubject(path, parameters) {
  try {
    return await getJson(path, parameters);
  } catch (error) {
    if (error.status === 404) for (const section of document.querySelectorAll("main section")) section.hidden = true;
    throw error;
  }
}

/** The files of a run or of a dataset, page by page. */
export function filesTable(place, { run, dataset, collection }) {
  const columns = [
    { title: t("field.file"), sort: "fuid_raw", cell: (file) => namedFile(file.fuid_raw, file) },
    run
      ? { title: t("field.dataset"), cell: (file) => datasetLink(file.dsid_raw) }
      : { title: t("field.run"), id: true, sort: "run_number", cell: (file) => runLink(file.run_number, file.collection) },
    ...fileOfRunColumns(),
  ];
  pagedTable(place, {
    caption: t("field.files"),
    columns,
    order: "events desc",
    stack: true,
    none: t("files.none"),
    async load(order, next) {
      const page = await (next ? getJson(next) : getJson("/files", { run, dataset, collection, with_file_names: true, order_by: order, page_size: 50 }));
      return { rows: page.files, next: page.next };
    },
  }).reload();
}
