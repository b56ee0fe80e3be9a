// Where a reader gives a token: shown once the services ask for one.

import { token } from "./api.js";
import { offerSignIn } from "./sign_in.js";

const opener = document.getElementById("token_button");
const form = document.getElementById("token");
const field = form.elements.token;

function open(wanted) {
  form.hidden = !wanted;
  opener.hidden = !wanted && !token.get();
  opener.setAttribute("aria-expanded", String(wanted));
}

addEventListener("tokenwanted", () => open(true));
opener.addEventListener("click", () => {
  open(form.hidden);
  if (!form.hidden) field.focus();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = field.value.trim();
  field.value = "";
  document.getElementById("main").focus();
  token.set(given);
  open(false);
});
form.addEventListener("reset", () => {
  token.set("");
  location.reload();
});
open(false);
offerSignIn(document.getElementById("sign_in"));
