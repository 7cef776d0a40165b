// The script of the API documentation: search, copy and "try it". Pages are complete without it.
// It sends requests to this service only, shows responses as text, and stores nothing.
"use strict";

const find = (id) => document.getElementById(id);

/** Shows only the lines of the index that contain every word of the search. */
function addSearch() {
  const form = find("search-form");
  if (!form) return;
  const input = find("search");
  const lines = [...document.querySelectorAll(".operations > li, section .names > li")].map(
    (element) => ({ element, text: `${element.id} ${element.textContent}`.toLowerCase() }),
  );
  const sections = [...document.querySelectorAll("main section")];
  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const { element, text } of lines) {
      element.hidden = !words.every((word) => text.includes(word));
      if (!element.hidden) found += 1;
    }
    for (const section of sections) {
      section.hidden = words.length > 0 && !section.querySelector("li:not([hidden])");
      for (const details of section.querySelectorAll("details")) details.open = words.length > 0;
    }
    find("search-result").textContent = words.length > 0 ? `${found} of ${lines.length} found` : "";
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  input.addEventListener("input", search);
  // A browser may restore the text after a reload.
  search();
}

/** Replaces the example of an address by that of this service. */
function nameThisService() {
  for (const code of document.querySelectorAll(".code code")) {
    if (code.textContent.startsWith("KEEPER=")) {
      code.textContent = code.textContent.replace(/^KEEPER=\S+/, `KEEPER=${location.origin}`);
    }
  }
}

/** Adds a button that copies each block of code. */
function addCopyButtons() {
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  status.className = "hidden";
  document.querySelector("main").append(status);
  for (const [index, block] of document.querySelectorAll(".code").entries()) {
    const code = block.querySelector("code");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    const heading = block.previousElementSibling;
    if (heading.matches("h3")) {
      heading.id = `code-${index}`;
      button.setAttribute("aria-describedby", heading.id);
    }
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const isCopied = await copy(code);
      button.textContent = isCopied ? "Copied" : "Press Ctrl+C";
      status.textContent = isCopied ? "Copied" : "The text is selected. Press Ctrl+C to copy it.";
    });
    block.append(button);
  }
}

/** Copies a text. Without the right to use the clipboard, selects the text and returns false. */
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}

/** The XSRF token of the session; undefined without a session. */
function xsrfToken() {
  const pairs = document.cookie.split("; ").map((pair) => pair.split("="));
  return pairs.find(([name]) => name === "XSRF-TOKEN")?.[1];
}

/** Says something about the session, with a link to the login page that leads back here. */
function showSessionNotice(form, text) {
  const notice = find("try-session");
  const link = document.createElement("a");
  link.href = form.dataset.login;
  link.textContent = "Sign in";
  notice.replaceChildren(`${text} `, link);
  notice.hidden = false;
}

/** The URL with the values of the form. */
function urlOf(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("input")) {
    if (input.dataset.in === "path") {
      path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    } else if (input.value) {
      query.append(input.name, input.value);
    }
  }
  return query.size > 0 ? `${path}?${query}` : path;
}

async function send(form) {
  const body = find("try-body");
  const headers = { Accept: "application/json" };
  const token = xsrfToken();
  if (token) headers["X-XSRF-TOKEN"] = token;
  if (body) headers["Content-Type"] = body.dataset.type;
  const started = performance.now();
  const response = await fetch(urlOf(form), {
    method: form.dataset.method,
    headers,
    body: body?.value,
    cache: "no-store",
    credentials: "same-origin",
  });
  const text = await response.text();
  const milliseconds = Math.round(performance.now() - started);
  if (response.status === 401 && form.hasAttribute("data-needs-session")) {
    showSessionNotice(form, "The session was not accepted; it may have ended.");
  }
  const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`);
  const status = `${response.status} ${response.statusText}`.trim();
  show(`${status} (${milliseconds} ms)`, lines.join("\n"), indented(text));
}

function show(status, headers, answer) {
  const result = find("try-result");
  find("try-status").textContent = status;
  find("try-headers").textContent = headers;
  find("try-answer").textContent = answer;
  find("try-headers").parentElement.hidden = !headers;
  find("try-answer").parentElement.hidden = !answer;
  result.hidden = false;
  result.focus();
}

/** JSON with indentation; any other text as it is. */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function addTryIt() {
  const form = find("try-form");
  if (!form) return;
  find("try-off").hidden = true;
  form.hidden = false;
  const button = form.querySelector("button");
  if (form.hasAttribute("data-needs-session") && !xsrfToken()) {
    showSessionNotice(form, "You are not signed in on this browser.");
    button.disabled = true;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const call = `${form.dataset.method} ${urlOf(form)}`;
    if (
      form.hasAttribute("data-asks-first") &&
      !confirm(`${call}\n\nThis call may change or delete data. Send it?`)
    )
      return;
    button.disabled = true;
    try {
      await send(form);
    } catch (error) {
      show("No response", "", String(error));
    } finally {
      button.disabled = false;
    }
  });
}

addSearch();
nameThisService();
addCopyButtons();
addTryIt();
