// What a tab remembers while its reader signs in: the page to come back to, the provider's answer,
// and that somebody is signed in. Never a token.

export const BACK = "eventindex-sign-in-back";
export const ANSWER = "eventindex-sign-in-answer";
export const SIGNED_IN = "eventindex-signed-in";
