// A dialog that asks before something changes, does it, and says what came of it.

import { announce, button, byId, h } from "./dom.js";
import { failure } from "./notice.js";
import { t } from "./texts.js";

/**
 * @param field a text that is needed: {label, value}.
 * @param work gets that text; gives the words that say what came of it, or {text, good}.
 * @returns after the dialog is closed.
 */
export function confirm({ text, action, field, work }) {
  const input = field && h("input", { required: true, maxlength: 200, value: field.value });
  const trouble = h("div");
  const act = h("button", { class: "main" }, action);
  const form = h(
    "form",
    { method: "dialog" },
    h("p", { id: "question" }, text),
    field ? h("label", {}, field.label, input) : null,
    trouble,
    h("div", { class: "row" }, act, button(t("common.cancel"), () => dialog.close())),
  );
  const dialog = h("dialog", { "aria-labelledby": "question" }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    act.disabled = true;
    try {
      const outcome = await work(input?.value.trim());
      dialog.close();
      const { text: said, good } = outcome.text ? outcome : { text: outcome, good: true };
      byId("outcome").textContent = said;
      byId("outcome").className = `notice ${good ? "good" : "warn"}`;
      byId("outcome").hidden = false;
      announce(said);
    } catch (error) {
      trouble.replaceChildren(failure(error));
    }
    act.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    });
  });
}
