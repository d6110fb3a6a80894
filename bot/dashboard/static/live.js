// Keeps pages live: copies text, moves relative times on, and brings what changed into view.
"use strict";

document.documentElement.classList.add("scripted");

// --- Relative times

const UNITS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

function ago(seconds) {
  const passed = Math.abs(seconds);
  for (const [unit, length] of UNITS) {
    const count = Math.floor(passed / length);
    if (count) {
      const text = `${count} ${unit}${count > 1 ? "s" : ""}`;
      return seconds > 0 ? `${text} ago` : `in ${text}`;
    }
  }
  return seconds > -5 ? "just now" : "in a moment";
}

function moveTimesOn() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.textContent = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}

// --- Text to copy

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const label = button.firstChild;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Select and copy it";
  }
  setTimeout(() => { label.textContent = "Copy"; }, 2000);
});

// --- Regions with data-live become what the page would show now

// The callback of Idiomorph that lets what somebody has opened or folded stay so.
function mayUpdate(name, element) {
  return !(name === "open" && element.turned);
}

document.addEventListener("click", (event) => {
  const summary = event.target.closest("summary");
  if (summary) summary.parentElement.turned = true;
});

// Somebody has a field of a region in use: changes it, or has changed it.
function isBusy(region) {
  return [...region.querySelectorAll("input, select, textarea")].some((one) => one === document.activeElement || isChanged(one));
}

function isChanged(field) {
  if (field.options) { // without one that is chosen by the page, the first one is
    const given = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, given);
  }
  return field.checked !== field.defaultChecked || field.value !== field.defaultValue;
}

function morph(region, fresh) {
  const focused = region.contains(document.activeElement) && document.activeElement;
  const news = document.querySelector(`[data-news-of="${CSS.escape(region.id)}"]`);
  const before = newest(region);
  region.said = fresh.innerHTML;
  Idiomorph.morph(region, fresh.childNodes, { morphStyle: "innerHTML", callbacks: { beforeAttributeUpdated: mayUpdate } });
  if (focused) keepFocus(region, focused);
  if (news && newest(region) !== before) news.textContent = newest(region);
}

// What is read out of a list: its first entry, without how long ago that was.
function newest(list) {
  return list.querySelector("li p")?.textContent.trim() ?? "";
}

// Who goes on with the keyboard goes on from here, also if the element is gone or folded away.
function keepFocus(region, element) {
  if (!element.isConnected || !element.checkVisibility()) {
    element = region;
    element.tabIndex = -1;
  }
  element.focus({ preventScroll: true });
}

// Bring the regions of a page in, without moving what is in view; tell whether one had to wait.
function bringIn(page) {
  const anchor = scrollY > 0 && [...document.querySelectorAll("main [id]")].find((one) => one.getBoundingClientRect().top >= 0);
  const top = anchor && anchor.getBoundingClientRect().top;
  let waiting = false;
  for (const region of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(region.id);
    if (!fresh || fresh.innerHTML === region.said) continue;
    if (isBusy(region)) waiting = true;
    else morph(region, fresh);
  }
  if (anchor && anchor.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - top);
  return waiting;
}

// --- The stream says when to look, and the page itself is what is looked at

let stream = null;
let ended = false; // signed out
let refreshing = false;
let again = 0; // milliseconds until the next look; 0 for none

async function refresh() {
  if (refreshing || ended) {
    again = 500;
    return;
  }
  refreshing = true;
  again = 0;
  try {
    const address = new URL(location.href);
    address.searchParams.delete("notice");
    const answer = await fetch(address, { headers: { "X-Live": "1" }, redirect: "manual" });
    if (answer.type === "opaqueredirect") sayGoodbye();
    else if (answer.ok && bringIn(new DOMParser().parseFromString(await answer.text(), "text/html"))) again ||= 5000;
  } catch {
    // The service is away; when the stream is open again, so is the way here.
  }
  refreshing = false;
  if (again && !ended) setTimeout(refresh, again);
}

function sayGoodbye() {
  ended = true;
  stream.close();
  const note = document.createElement("p");
  const link = document.createElement("a");
  note.className = "warn";
  note.setAttribute("role", "alert");
  link.href = location.href;
  link.textContent = "Sign in again";
  note.append("You are signed out, so this page is no longer updated. ", link);
  document.querySelector("main").prepend(note);
}

function listen() {
  if (ended || document.hidden || (stream && stream.readyState !== EventSource.CLOSED)) return;
  stream = new EventSource(document.body.dataset.stream);
  stream.addEventListener("open", refresh); // for what happened while nobody listened
  stream.addEventListener("change", refresh);
  stream.addEventListener("error", (event) => {
    if (event.target.readyState !== EventSource.CLOSED) return; // it comes back by itself
    refresh();
    setTimeout(listen, 5000);
  });
}

for (const region of document.querySelectorAll("[data-live][id]")) region.said = region.innerHTML;
setInterval(moveTimesOn, 30000);
if (document.body.dataset.stream) {
  document.addEventListener("visibilitychange", () => (document.hidden ? stream?.close() : listen()));
  listen();
}
