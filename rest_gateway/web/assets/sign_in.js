// Where the identity provider sends the browser back to. Its answer, a code that is good once and
// only with what the page kept to itself, goes to the page that asked.

import { ANSWER, BACK } from "./lib/sign_in_keys.js";

if (window.parent !== window) {
  const here = `${location.origin}/sign-in`;
  // Of the settings only the place matters: this hands the answer to the page around the frame.
  const settings = { authority: location.origin, client_id: "page", redirect_uri: here };
  new oidc.UserManager(settings).signinSilentCallback(location.href);
} else {
  sessionStorage.setItem(ANSWER, location.search);
  location.replace(sessionStorage.getItem(BACK) ?? "/");
}
