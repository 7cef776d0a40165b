// Improves the pages. Every page works without it. It never builds HTML from text.
"use strict";

// A form is sent once: a double click must not act twice.
addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "true";
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
  // The page remains when the answer is a file.
  if ("download" in form.dataset) setTimeout(() => allowAgain(form), 3000);
});
function allowAgain(form) {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
}
// The back button may restore a page whose form was sent.
addEventListener("pageshow", () => {
  for (const form of document.forms) allowAgain(form);
});

// Times in the language of the page and the time zone of the browser.
for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.valueOf())) continue;
  const format = { dateStyle: "medium", timeStyle: "short" };
  time.title = time.textContent;
  time.textContent = new Intl.DateTimeFormat(document.documentElement.lang, format).format(moment);
}

// A button beside a password that shows it.
for (const input of document.querySelectorAll("input[data-reveal]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = input.dataset.reveal;
  button.setAttribute("aria-controls", input.id);
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    const isShown = input.type === "text";
    input.type = isShown ? "password" : "text";
    button.setAttribute("aria-pressed", String(!isShown));
  });
  input.form.addEventListener("submit", () => (input.type = "password"));
  input.after(button);
}

// What the policy says about a new password while it is typed: at most one question in two seconds.
const PAUSE = 600;
const INTERVAL = 2000;
const AFTER_REFUSAL = 15000;
for (const input of document.querySelectorAll("input[data-policy]")) {
  const output = document.getElementById(`${input.id}-strength`);
  const xsrf = document.getElementById("XSRF_TOKEN");
  if (!output || !xsrf) continue;
  let timer;
  let asking;
  let next = 0;
  const show = (text, state) => {
    output.textContent = text;
    output.dataset.state = state;
  };
  const ask = async () => {
    asking?.abort();
    asking = new AbortController();
    next = Date.now() + INTERVAL;
    try {
      const response = await fetch(input.dataset.policy, {
        method: "POST",
        headers: {
          Accept: "application/json",
          "Content-Type": "application/json",
          "SO-Language": document.documentElement.lang,
          "X-XSRF-TOKEN": xsrf.value,
        },
        body: JSON.stringify({ AssociateId: Number(input.dataset.user), Password: input.value }),
        signal: asking.signal,
      });
      if (!response.ok) {
        next = Date.now() + AFTER_REFUSAL;
        return show("", "");
      }
      const { Result: isValid, Reason: reason } = await response.json();
      show(isValid ? output.dataset.valid : reason.replace(/^[^:]*: /, ""), isValid ? "good" : "bad");
    } catch {
      show("", "");
    }
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    asking?.abort();
    if (!input.value) return show("", "");
    timer = setTimeout(ask, Math.max(PAUSE, next - Date.now()));
  });
}

// The progress of an import: parts of the page are replaced in place, so that the focus stays where it
// is. A screen reader hears the progress at most every ten seconds, and each state at once.
const REFRESH = 2000;
const ANNOUNCE = 10000;
let announced = Date.now();
/** Takes over a part of a newer copy of the page. */
function replacePart(part, next) {
  part.className = next.className;
  if (part.localName === "progress") return Object.assign(part, { max: next.max, value: next.value });
  if (part.textContent === next.textContent) return;
  const hadFocus = part.contains(document.activeElement);
  part.replaceChildren(...[...next.childNodes].map((node) => document.importNode(node, true)));
  if (hadFocus) document.getElementById("import-status").focus();
}
function announceProgress() {
  const bar = document.getElementById("progress");
  if (!bar || Date.now() < announced + ANNOUNCE) return;
  announced = Date.now();
  const format = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
  const text = `${bar.labels[0].textContent}: ${format.format(bar.position)}`;
  document.getElementById("import-announced").textContent = text;
}
/** Asks for the page. Only this kind of request returns a document, and no text that would be HTML. */
function openAgain() {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.onload = () => resolve(request);
    request.onerror = reject;
    request.send();
  });
}
async function followImport() {
  let page;
  try {
    const answer = await openAgain();
    const isThisPage = answer.status === 200 && answer.responseURL === location.href.split("#")[0];
    // The session has ended, or the service says what is wrong.
    if (!isThisPage || !answer.response) return location.reload();
    page = answer.response;
  } catch {
    return setTimeout(followImport, 5 * REFRESH);
  }
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = page.getElementById(part.id);
    if (next) replacePart(part, next);
  }
  announceProgress();
  if (page.querySelector("[data-follow]")) setTimeout(followImport, REFRESH);
}
if (document.querySelector("[data-follow]")) setTimeout(followImport, REFRESH);
