// The page of one RAW file: of which runs it holds events, and its events to download.

import { getJson } from "../lib/api.js";
import { collectionText, facts, fileOfRunColumns, stateBadge } from "../lib/catalogue.js";
import { byId, copyButton, datasetLink, downloadLink, h, namedFile, runLink } from "../lib/dom.js";
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

/** Files of other collections that hold events of this one, as links; nothing where there are none. */
const related = (title, files) =>
  files.length && [
    h("h2", {}, title),
    table(
      title,
      [
        { title: t("field.collection"), cell: (file) => collectionText(file.collection) },
        { title: t("field.file"), cell: (file) => namedFile(file.fuid_raw, file) },
        { title: t("field.dataset"), id: true, cell: (file) => datasetLink(file.dsid_raw) },
        { title: t("field.events"), number: true, cell: (file) => file.events },
      ],
      files,
      { stack: true },
    ),
  ];

fill(byId("file"), async () => {
  const asked = { with_file_names: true, with_parents: true, with_children: true };
  const { runs, parents, children } = await getJson(`/files/${fuid}`, asked).catch((error) => {
    // Too many relations for one answer: the file itself is shown.
    if (error.status !== 400) throw error;
    return getJson(`/files/${fuid}`, { with_file_names: true });
  });
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
    ...(related(t("file.parents"), parents) || []),
    ...(related(t("file.children"), children) || []),
  ];
});
