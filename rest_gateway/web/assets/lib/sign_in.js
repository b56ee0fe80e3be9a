// Signing in at the identity provider of this index, by authorization code with PKCE. The token is in
// the memory of the page alone: the next page gets one of its own from the provider, who knows the
// reader by then, without a question; and so does this page before the token ends.

import { token } from "./api.js";
import { t } from "./texts.js";
import { ANSWER, BACK, SIGNED_IN } from "./sign_in_keys.js";

const FRAME_S_MAX = 5;
const RENEWED_BEFORE_S = 60;
// One that failed is not tried with each call.
const FAILED_AGAIN_MS = 30_000;
// A provider that wants to ask its user something: who did not click is not signed in, that is all.
const QUIET = new Set([
  "login_required",
  "interaction_required",
  "consent_required",
  "account_selection_required",
]);
const wanted = document.getElementById("sign_in_button");
const leave = document.getElementById("sign_out_button");

function managerOf(settings) {
  const here = `${location.origin}/sign-in`;
  return new oidc.UserManager({
    ...settings,
    redirect_uri: here,
    silent_redirect_uri: here,
    post_logout_redirect_uri: `${location.origin}/`,
    userStore: new oidc.WebStorageStateStore({ store: new oidc.InMemoryWebStorage() }),
    // The verifier of a request that is under way; the provider's answer comes to another document.
    stateStore: new oidc.WebStorageStateStore({ store: sessionStorage }),
    accessTokenExpiringNotificationTimeInSeconds: RENEWED_BEFORE_S,
    silentRequestTimeoutInSeconds: FRAME_S_MAX,
    automaticSilentRenew: false, // a refresh token is good once: below, one renewal at a time
  });
}

function show(user) {
  wanted.hidden = Boolean(user);
  leave.hidden = !user;
  leave.title = user?.profile?.name ?? user?.profile?.sub ?? "";
}

function hold(user) {
  if (user) sessionStorage.setItem(SIGNED_IN, "1");
  else sessionStorage.removeItem(SIGNED_IN);
  show(user);
  token.hold(user?.access_token ?? "");
}

/** The token ended and no other came. The tab remembers its reader: the next page asks again. */
function lose() {
  show(null);
  token.hold("");
}

function take(key) {
  const value = sessionStorage.getItem(key);
  sessionStorage.removeItem(key);
  return value;
}

function goAndAsk(manager, options) {
  sessionStorage.setItem(BACK, location.href.slice(location.origin.length));
  return manager.signinRedirect(options);
}

async function answered(manager, answer) {
  try {
    await manager.signinRedirectCallback(`${location.origin}/sign-in${answer}`);
  } catch (error) {
    hold(null);
    if (!QUIET.has(error.error)) {
      document.getElementById("token_hint").textContent = t("error.sign_in", {
        reason: error.error_description ?? error.error ?? error.message,
      });
      dispatchEvent(new Event("tokenwanted"));
    }
  }
}

/** Sign in a reader who did on the page before; a browser may keep a frame from the provider's
 * cookie, so the whole page goes there then. */
async function again(manager) {
  try {
    await manager.signinSilent();
  } catch {
    sessionStorage.removeItem(SIGNED_IN);
    await goAndAsk(manager, { prompt: "none" });
    await new Promise(() => {}); // the page is left
  }
}

async function begin(manager) {
  const answer = take(ANSWER);
  const back = take(BACK);
  try {
    if (answer !== null && back !== null) await answered(manager, answer);
    else if (sessionStorage.getItem(SIGNED_IN)) await again(manager);
  } catch {
    hold(null); // the provider is away; the page says so with its own words when it needs a token
  }
}

/** What gets the next token of a reader who is signed in, and says whether it did; one at a time. */
function renewalBy(manager) {
  let renewing = null;
  let notBefore = 0;
  const failed = () => {
    notBefore = Date.now() + FAILED_AGAIN_MS;
    return false;
  };
  return async () => {
    if (!sessionStorage.getItem(SIGNED_IN)) return false;
    if (!renewing && Date.now() < notBefore) return false;
    renewing ??= manager
      .signinSilent()
      .then(Boolean, failed)
      .finally(() => {
        renewing = null;
      });
    return renewing;
  };
}

/** Offer to sign in, where the gateway says at whom. */
export function offerSignIn(given) {
  if (!given || !window.isSecureContext) return;
  const manager = managerOf(JSON.parse(given.textContent));
  const renew = renewalBy(manager);
  const renewOrLose = async () => {
    const renewed = await renew();
    if (!renewed) lose();
    return renewed;
  };
  manager.events.addUserLoaded(hold);
  manager.events.addAccessTokenExpiring(renew);
  manager.events.addAccessTokenExpired(renewOrLose);
  token.renew = renewOrLose;
  addEventListener("tokengiven", () => {
    manager.removeUser();
    hold(null);
  });
  wanted.addEventListener("click", () => goAndAsk(manager));
  leave.addEventListener("click", async () => {
    sessionStorage.removeItem(SIGNED_IN);
    if (manager.settings.metadata.end_session_endpoint) await manager.signoutRedirect();
    else location.reload();
  });
  show(null);
  token.ready = begin(manager);
}
