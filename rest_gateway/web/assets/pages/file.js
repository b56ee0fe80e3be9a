// The page of one RAW file: of which runs it holds events, and its events to download.

import { getJson } from "../lib/api.js";
import { collectionText, facts, fileOfRunColumns, stateBadge } from "../lib/catalogue.js";
import { byId, copyButton, datasetLink, downloadLink, h, runLink } from "../lib/dom.js";
import { fill } from "../lib/notice.js";
import { table } from "../lib/table.js";
import { formatNumber, t } from "../lib/texts.js";

const fuid = document.body.dataset.subject;
const COSMIC_DSID_FIRST = 2 ** 30;

/** What is noted of the file, as far as it is known. */
const known = ({ name, bytes, checksum, url }) =>
  [
    [t("field.name"), name],
    [t("field.bytes"), bytes && formatNumber(String(bytes))],
    [t("field.checksum"), checksum],
    [t("field.url"), url && h("span", { class: "fuid" }, url)],
  ].filter(([, value]) => value);

fill(byId("file"), async () => {
  const { runs } = await getJson(`/files/${fuid}`, { with_file_names: true });
  const [first] = runs;
  const events = runs.reduce((sum, run) => sum + BigInt(run.events), 0n);
  return [
    facts([
      [t("field.collection"), collectionText(first.collection)],
      [t("field.dataset"), datasetLink(first.dsid_raw)],
      [t("field.state"), stateBadge(first.dataset_state)],
      [t("field.events"), formatNumber(String(events))],
      ...known(first),
    ]),
    h(
      "p",
      { class: "row" },
      copyButton(t("file.copy"), () => fuid),
      first.url ? copyButton(t("file.copy_url"), () => first.url) : null,
      downloadLink(`/files/${fuid}/events`, { format: "csv" }, `${fuid}.csv`, t("file.events_csv")),
      downloadLink(`/files/${fuid}/events`, { format: "ndjson" }, `${fuid}.ndjson`, t("file.events_ndjson")),
      first.dsid_raw >= COSMIC_DSID_FIRST ? downloadLink(`/files/${fuid}/content`, {}, `${fuid}.dat`, t("file.content")) : null,
    ),
    table(
      t("menu.runs"),
      [{ title: t("field.run"), id: true, cell: (run) => runLink(run.run_number, run.collection) }, ...fileOfRunColumns()],
      runs,
    ),
  ];
});
