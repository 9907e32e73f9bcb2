// What the pages can do better with a script; without it every button is a plain form. No framework, nothing remote.
"use strict";

const live = document.getElementById("live");

// -- the address is clean again once its message was shown
const address = new URL(location.href);
if (address.searchParams.has("said")) {
  address.searchParams.delete("said");
  history.replaceState(null, "", address);
}

// -- parts of the page that look at the daemon again by themselves
async function refresh() {
  if (!live || document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (answer.redirected) location.assign(answer.url); // the session is over: to the login, and back here
    if (!answer.ok || answer.redirected) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("live");
    if (fresh) {
      merge(live, fresh);
      for (const name of ["data-refresh", "data-run"]) {
        if (fresh.hasAttribute(name)) live.setAttribute(name, fresh.getAttribute(name));
        else live.removeAttribute(name);
      }
    }
  } catch {
    // the daemon is away: try again next time
  }
}

// Make `old` look like `fresh`, leaving alone what is the same already: focus, open details and selections stay.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  const matches = before.length === after.length && before.every((node, place) => same(node, after[place]));
  if (!matches) {
    const opened = new Set([...old.querySelectorAll("details[open] > summary")].map((one) => one.textContent));
    old.replaceChildren(...after.map((node) => document.importNode(node, true)));
    for (const one of old.querySelectorAll("details > summary")) {
      if (opened.has(one.textContent)) one.parentElement.open = true;
    }
    return;
  }
  before.forEach((node, place) => {
    const next = after[place];
    if (node.nodeType !== Node.ELEMENT_NODE) {
      if (node.nodeValue !== next.nodeValue) node.nodeValue = next.nodeValue;
      return;
    }
    for (const { name } of [...node.attributes]) {
      if (!next.hasAttribute(name) && !(name === "open" && node.nodeName === "DETAILS")) node.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    }
    merge(node, next);
  });
}

function schedule() {
  const seconds = Number(live?.dataset.refresh);
  if (!seconds) return;
  setTimeout(async () => {
    await refresh();
    schedule();
  }, seconds * 1000);
}

// -- a run as it goes: `place` holds what shows its progress
function follow(run, place) {
  const events = new EventSource(`/api/v1/runs/${run}/events`);
  const totals = new Map();
  let accounts = 0;
  let streams = 1;
  events.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    if (event.event === "run_started") {
      accounts = event.accounts;
      streams = event.streams.length;
    } else if (event.event === "page_committed") {
      totals.set(event.stream, { listed: event.counts.listed, done: event.accounts_done });
      const values = [...totals.values()];
      write(place, "[data-listed]", values.reduce((sum, one) => sum + one.listed, 0));
      write(place, "[data-requests]", event.requests);
      const bar = place.querySelector("progress");
      if (bar && accounts) {
        bar.max = accounts * streams;
        bar.value = values.reduce((sum, one) => sum + one.done, 0);
      }
      const row = place.querySelector(`[data-stream="${CSS.escape(event.stream)}"]`);
      for (const cell of row?.querySelectorAll("[data-kind]") ?? []) {
        cell.textContent = grouped(event.counts[cell.dataset.kind]);
      }
    } else if (event.event === "report" || event.event === "error") {
      end();
    }
  };
  events.onerror = () => end();
  function end() {
    events.close();
    refresh();
  }
}

function write(place, selector, number) {
  const target = place.querySelector(selector);
  if (target) target.textContent = grouped(number);
}

function grouped(number) {
  return String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

// -- "Sync now" on a card: start it, stay here and watch
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const button = form.querySelector("button[type=submit]");
  if (form.dataset.live !== "run") {
    if (form.method === "post") setTimeout(() => (button.disabled = true)); // one click is one request
    return;
  }
  event.preventDefault();
  button.disabled = true;
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      headers: { accept: "application/json" },
      credentials: "same-origin",
    });
    if (answer.status === 401) return location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.message);
    await refresh();
    const card = live.querySelector(`.actions > a[href="${told.place}"]`)?.closest(".card");
    if (card) follow(told.place.split("/").pop(), card);
  } catch (error) {
    say(error.message);
    button.disabled = false;
  }
});

addEventListener("pageshow", (event) => {
  if (event.persisted) for (const button of document.querySelectorAll("button:disabled")) button.disabled = false;
});

function say(text) {
  document.querySelector(".said")?.remove();
  const line = document.createElement("p");
  line.className = "said refused";
  line.setAttribute("role", "alert");
  line.textContent = text;
  document.getElementById("main").prepend(line);
}

// -- a menu closes with Escape, and when something else is clicked
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// -- a choice among streams applies at once
document.getElementById("in")?.addEventListener("change", (event) => event.target.form.requestSubmit());

if (live?.dataset.run) follow(live.dataset.run, live);
schedule();
