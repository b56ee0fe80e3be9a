// The page of one dataset: what it is, and its files.

import { facts, filesTable, getSubject, stateBadge } from "./catalogue.js";
import { byId } from "./dom.js";
import { fill } from "./notice.js";
import { formatNumber, formatTime, t } from "./texts.js";

const dataset = document.body.dataset.subject;

fill(byId("facts"), async () => {
  const found = await getSubject(`/datasets/${dataset}`);
  return facts([
    [t("field.name"), found.name],
    [t("field.state"), stateBadge(found.state)],
    [t("field.events"), formatNumber(found.events)],
    [t("field.files"), formatNumber(found.files)],
    [t("field.created"), formatTime(found.created)],
    [t("field.comment"), found.comment || "–"],
  ]);
});
filesTable(byId("files"), { dataset });
