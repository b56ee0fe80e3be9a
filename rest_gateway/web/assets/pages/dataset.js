// The page of one dataset: what it is, and its files.

import { facts, filesTable, getSubject, stateBadge } from "../lib/catalogue.js";
import { byId } from "../lib/dom.js";
import { fill } from "../lib/notice.js";
import { formatNumber, formatTime, t } from "../lib/texts.js";

const dataset = document.body.dataset.subject;

fill(byId("facts"), async () => {
  const found = await getSubject(`/datasets/${dataset}`);
  const own = found.name === `dsid-${dataset}` ? null : found.name;
  if (own) {
    document.querySelector("h1").textContent = own;
    document.title = `${own} · EventIndex`;
  }
  return facts([
    [t("field.number"), String(found.dsid_raw)],
    [t("field.name"), found.name],
    [t("field.state"), stateBadge(found.state)],
    [t("field.events"), formatNumber(found.events)],
    [t("field.files"), formatNumber(found.files)],
    [t("field.created"), formatTime(found.created)],
    [t("field.comment"), found.comment || "–"],
  ]);
});
filesTable(byId("files"), { dataset });
