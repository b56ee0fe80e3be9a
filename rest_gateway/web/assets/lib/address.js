// What a form asks for, in the address of the page: it can be shared, and is there after a reload.

/** Fill a form from the address; names that it has no field for are left alone. */
export function fromAddress(form) {
  const asked = new URLSearchParams(location.search);
  for (const field of form.elements) {
    if (!field.name || !asked.has(field.name)) continue;
    if (field.type === "checkbox") field.checked = true;
    else field.value = asked.get(field.name);
  }
}

/** Put what a form asks for into the address; empty fields are left out. */
export function toAddress(form, more = {}) {
  const given = [...new FormData(form), ...Object.entries(more)].filter(([, value]) => value !== "" && value != null);
  const query = new URLSearchParams(given).toString();
  history.replaceState(null, "", location.pathname + (query && `?${query}`) + location.hash);
}
