// The collection that the lists of the page are of: chosen in the header, remembered, and not to be
// seen while there is "raw" alone.

import { getJson } from "./api.js";
import { collectionText } from "./catalogue.js";
import { byId, h } from "./dom.js";

const KEPT = "eventindex-collection";
const RAW = "raw";
const select = byId("collection");

/** The name that calls take: "" stands for "raw". */
export const chosenCollection = () => localStorage.getItem(KEPT) ?? "";

function choose(name) {
  if (name) localStorage.setItem(KEPT, name);
  else localStorage.removeItem(KEPT);
  dispatchEvent(new Event("collectionchange"));
}

async function offer() {
  // Where the list cannot be had the page itself says why.
  const { collections } = await getJson("/collections").catch(() => ({ collections: [] }));
  const names = collections.map(({ name }) => name);
  if (!names.length) return;
  select.replaceChildren(...names.map((name) => h("option", { value: name === RAW ? "" : name }, collectionText(name))));
  // It may have been deleted since.
  if (chosenCollection() && !names.includes(chosenCollection())) choose("");
  select.value = chosenCollection();
  select.hidden = byId("collections_menu").hidden = names.length < 2;
}

select.addEventListener("change", () => choose(select.value));
addEventListener("tokenchange", offer);
// Another tab chose.
addEventListener("storage", (event) => {
  if (event.key === KEPT) select.value = chosenCollection();
});
offer();
