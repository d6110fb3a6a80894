// Keeps pages live: copies text, moves relative times on, and brings what changed into view.
"use strict";

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
  for (const time of document.querySelectorAll("time[datetime]:not([data-still])")) {
    time.textContent = ago((Date.now() - Date.parse(time.dateTime)) / 1000);
  }
}

// --- Text to copy

function offerCopying(within) {
  for (const button of within.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const label = button.firstChild;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Select it by hand";
  }
  setTimeout(() => { label.textContent = "Copy"; }, 2000);
});

// --- Finding an element again in what has replaced it

// By what names it and, of several, its place from the end: lists grow at their beginning.
function nameOf(element) {
  const by = (one, name) => one?.hasAttribute(name) && `${one.localName}[${name}="${CSS.escape(one.getAttribute(name))}"]`;
  const around = by(element.closest("details[id]"), "id") || by(element.closest("form"), "action");
  const selector = ["id", "href", "data-copy"].map((name) => by(element, name)).find(Boolean)
    || (around && `${around} ${element.localName}`);
  if (!selector) return null;
  const same = [...document.querySelectorAll(selector)];
  return { selector, fromEnd: same.length - same.indexOf(element) };
}

function find(name) {
  const same = document.querySelectorAll(name.selector);
  return same[Math.max(0, same.length - name.fromEnd)];
}

// --- Regions with data-live are replaced by what the page would show now

const shown = new Map(); // by the id of a region: what the server last said was in it

function noteShown(region) {
  shown.set(region.id, contentOf(region));
  for (const details of region.querySelectorAll("details[id]")) details.said = details.open;
  offerCopying(region);
}

// How long ago something was changes by itself: that is no news.
function contentOf(region) {
  const copy = region.cloneNode(true);
  for (const time of copy.querySelectorAll("time[datetime]:not([data-still])")) time.textContent = "";
  return copy.innerHTML;
}

// Somebody is typing in a region, or marks text in it.
function isBusy(region) {
  const selection = getSelection();
  const marks = !selection.isCollapsed && selection.containsNode(region, true);
  return marks || [...region.querySelectorAll("input, select, textarea")].some(
    (one) => one === document.activeElement || isChanged(one),
  );
}

function isChanged(field) {
  if (field.options) { // without one that is chosen by the page, the first one is
    const given = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, given);
  }
  return field.checked !== field.defaultChecked || field.value !== field.defaultValue;
}

function replace(old, fresh) {
  const turned = [...old.querySelectorAll("details[id]")].filter((one) => one.open !== one.said);
  const focused = old.contains(document.activeElement) && document.activeElement !== old;
  const name = focused ? nameOf(document.activeElement) : null;
  const news = document.querySelector(`[data-news-of="${CSS.escape(old.id)}"]`);
  const before = newest(old);
  old.replaceChildren(...fresh.childNodes);
  noteShown(old);
  for (const { id, open } of turned) {
    const details = document.getElementById(id);
    if (details) details.open = open;
  }
  if (focused) takeFocus(old, name && find(name));
  if (news && newest(old) !== before) news.textContent = newest(old);
}

// What is read out of a list: its first entry, without how long ago that was.
function newest(list) {
  return list.querySelector("li p")?.textContent.trim() ?? "";
}

// Who goes on with the keyboard goes on from here, also if the element is gone or folded away.
function takeFocus(region, element) {
  element?.focus({ preventScroll: true });
  if (element && document.activeElement === element) return;
  region.tabIndex = -1;
  region.focus({ preventScroll: true });
}

// Bring the regions of a page in; tell whether one had to wait.
function bringIn(page) {
  const inView = scrollY > 0 && [...document.querySelectorAll("main :is([id], a[href])")].find((one) => one.getBoundingClientRect().top >= 0);
  const anchor = inView && { name: nameOf(inView), top: inView.getBoundingClientRect().top };
  let waiting = false;
  for (const old of document.querySelectorAll("[data-live][id]")) {
    const fresh = page.getElementById(old.id);
    if (!fresh || contentOf(fresh) === shown.get(old.id)) continue;
    if (isBusy(old)) waiting = true;
    else replace(old, fresh);
  }
  moveTimesOn();
  const found = anchor && find(anchor.name);
  if (found) scrollBy(0, found.getBoundingClientRect().top - anchor.top);
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
  note.append("You are signed out, so this page stands still. ", link);
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

for (const region of document.querySelectorAll("[data-live][id]")) noteShown(region);
offerCopying(document);
setInterval(moveTimesOn, 30000);
if (document.body.dataset.stream) {
  document.addEventListener("visibilitychange", () => (document.hidden ? stream?.close() : listen()));
  listen();
}
