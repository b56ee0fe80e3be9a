// What every page has: the menus of language and of light and dark, and the reader's token.

import "./lib/collection.js";
import "./lib/token.js";

const YEAR_S = 31_536_000;

for (const name of ["lang", "theme"]) {
  document.getElementById(name).addEventListener("change", (event) => {
    const { value } = event.currentTarget;
    document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; samesite=lax`;
    if (name === "lang") location.reload();
    else {
      document.documentElement.dataset.theme = value;
      dispatchEvent(new Event("themechange"));
    }
  });
}
// A browser that goes back may fill in what was chosen on the page before.
document.getElementById("theme").value = document.documentElement.dataset.theme;
document.getElementById("lang").value = document.documentElement.dataset.language;
