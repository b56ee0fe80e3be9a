// The page "API": shows the OpenAPI document of this server, by Swagger UI from this machine.
// Numbers are not sent anywhere: no validator badge.

import { token } from "../lib/api.js";
import { byId } from "../lib/dom.js";

window.ui = window.SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    request.headers["EventIndex-Request"] = "docs";
    if (token.get()) request.headers.Authorization ??= `Bearer ${token.get()}`;
    return request;
  },
});

/** What Swagger UI leaves unsaid to those who do not see it, or use the keyboard. */
function amend() {
  // The button around it opens the call; the link would be a second stop that does the same.
  for (const link of document.querySelectorAll("#docs button a[href]")) link.removeAttribute("href");
  for (const wide of document.querySelectorAll("#docs :is(pre, .table-container):not([tabindex])")) wide.tabIndex = 0;
  for (const field of document.querySelectorAll("#docs :is(select, input, textarea):not([aria-label])")) {
    if (field.labels?.length) continue;
    field.setAttribute("aria-label", field.closest("[data-param-name]")?.dataset.paramName ?? "Media type");
  }
}
new MutationObserver(amend).observe(byId("docs"), { childList: true, subtree: true });
