"use strict";
// Every page works without this. Here stands what a form or a link can't do by itself.

// A form that moves money or ends something asks first: <form data-ask="Refund 12.00 EUR?">, or one of its buttons.
document.addEventListener("submit", event => {
  const question = event.submitter?.dataset.ask ?? event.target.dataset.ask;
  if (question && !window.confirm(question)) event.preventDefault();
});

// "/" leads to the search, as people know it.
document.addEventListener("keydown", event => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector("input[type=search]");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});

// An invitation's secret stands behind the # of the address, and leaves it as soon as it is read.
const invited = document.querySelector("form[data-secret-from-address]");
if (invited && location.hash.length > 1) {
  invited.elements.invitation.value = location.hash.slice(1);
  invited.elements.invitation.closest("label").hidden = true;
  history.replaceState(null, "", location.pathname);
}

// <button data-copy="ID"> copies what a field holds.
document.addEventListener("click", async event => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy), told = document.getElementById(`${button.dataset.copy}-copied`);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    told.textContent = "Copied.";
  } catch {
    told.textContent = "Press Ctrl+C to copy what is marked.";
  }
});

// What is said of a field comes and goes with a part of the page: the field is wrong as long as something is said.
document.addEventListener("htmx:afterSettle", () => {
  for (const told of document.querySelectorAll(".problem[id^=problem-]"))
    for (const field of document.querySelectorAll(`[aria-describedby~="${CSS.escape(told.id)}"]`))
      if (told.hidden) field.removeAttribute("aria-invalid");
      else field.setAttribute("aria-invalid", "true");
});

// On a narrow screen the sections are folded.
const sections = document.querySelector("nav.sections details");
if (sections && window.matchMedia("(max-width: 56rem)").matches) sections.open = false;
