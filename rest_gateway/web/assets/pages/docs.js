// The page "API": shows the OpenAPI document of this server, by Swagger UI from this machine.
// Numbers are not sent anywhere: no validator badge.

import { token } from "../lib/api.js";

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
