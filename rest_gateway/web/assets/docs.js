// Shows the OpenAPI document of this server. Numbers are not sent anywhere: no validator badge.
window.ui = SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    request.headers["EventIndex-Request"] = "docs";
    return request;
  },
});
