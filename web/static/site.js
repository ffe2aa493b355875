// Reads the page again while it is looked at, and swaps the regions that have changed. Everything works without it.
"use strict";

let tag = null;
let timer = null;
let failures = 0;
let leaving = false;

const regions = () => [...document.querySelectorAll("[data-live][id]")];
const pause = () => Math.min(...regions().map((region) => Number(region.dataset.live) || 10)) * 1000;
const isUsed = (element) =>
  element.contains(document.activeElement) && document.activeElement !== document.body
    ? true
    : element.querySelector("input:checked, details[open]") !== null;

function schedule() {
  clearTimeout(timer);
  if (regions().length && !document.hidden && !leaving) timer = setTimeout(look, failures ? Math.min(2000 * failures, 10000) : pause());
}

async function look() {
  try {
    const headers = { Accept: "text/html" };
    if (tag) headers["If-None-Match"] = tag;
    const answer = await fetch(location.href, { headers, redirect: "manual", cache: "no-store" });
    if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
    if (answer.status === 200) {
      tag = answer.headers.get("ETag");
      swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
    }
    if (answer.status >= 500) throw new Error(`answer ${answer.status}`);
    failures = 0;
    tell("");
  } catch (error) {
    failures += 1;
    tell(`No answer since ${new Date().toISOString().slice(11, 19)} UTC; what is shown is older. It is tried again.`);
  }
  schedule();
}

function tell(text) {
  const place = document.getElementById("stale");
  if (!text && place.hidden) return;
  if (!text) { place.hidden = true; return; }
  if (place.hidden) { place.textContent = text; place.hidden = false; }
}

function swap(fresh) {
  const old = document.querySelector("[data-replace=page]");
  // the failure is over
  if (old && !fresh.querySelector("[data-replace=page]")) return location.reload();
  document.title = fresh.title;
  for (const region of regions()) {
    const next = fresh.getElementById(region.id);
    if (!next) continue;
    region.dataset.live = next.dataset.live || region.dataset.live;
    if (region.dataset.rows !== undefined) mergeRows(region, next);
    else if (region.innerHTML !== next.innerHTML && !isUsed(region)) region.innerHTML = next.innerHTML;
  }
  localTimes();
}

// Rows keep their place: new ones come above without moving what is read, those that are gone stay and are struck out.
function mergeRows(body, next) {
  const known = new Map([...body.children].map((row) => [row.id, row]));
  const fresh = [...next.children].filter((row) => row.id);
  const ids = new Set(fresh.map((row) => row.id));
  const anchor = [...body.children].find((row) => row.getBoundingClientRect().bottom > 0);
  const before = anchor ? anchor.getBoundingClientRect().top : 0;
  let place = null;
  for (const row of fresh.reverse()) {
    const old = known.get(row.id);
    if (!old) {
      const made = document.importNode(row, true);
      body.insertBefore(made, place || (known.size ? place : null));
      place = made;
      continue;
    }
    if (old.innerHTML !== row.innerHTML && !isUsed(old) && !old.dataset.seen) old.innerHTML = row.innerHTML;
    place = old;
  }
  const full = fresh.length >= Number(body.dataset.rows || 50);
  for (const [id, row] of known) {
    if (!id) row.remove();
    else if (!ids.has(id) && !full && !row.classList.contains("gone")) {
      row.classList.add("gone");
      row.querySelectorAll("input, button").forEach((part) => { part.disabled = true; });
    }
  }
  if (!anchor || !anchor.isConnected) return;
  const moved = anchor.getBoundingClientRect().top - before;
  if (!moved) return;
  window.scrollBy(0, moved);
  const left = anchor.getBoundingClientRect().top - before;
  // a short page cannot be scrolled so far
  if (left > 0) {
    document.body.style.minHeight = `${window.innerHeight + window.scrollY + left}px`;
    window.scrollBy(0, left);
  }
}

// Local times, by a switch that stays on.
function localTimes() {
  const local = localStorage.getItem("times") === "local";
  const button = document.getElementById("local");
  button.hidden = false;
  button.textContent = local ? "Show times in UTC" : "Show local times";
  for (const time of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const utc = time.dateTime.slice(0, 19).replace("T", " ");
    const shown = local ? moment.toLocaleString() : utc;
    if (time.textContent !== shown) time.textContent = shown;
    time.title = local ? `${utc} UTC` : moment.toLocaleString();
  }
}

document.getElementById("local").addEventListener("click", () => {
  localStorage.setItem("times", localStorage.getItem("times") === "local" ? "utc" : "local");
  localTimes();
});
// A form is on its way: what this page shows may be gone before the answer comes.
document.addEventListener("submit", () => { leaving = true; clearTimeout(timer); });
addEventListener("pageshow", (event) => { if (event.persisted) { leaving = false; look(); } });
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));

// A box in the head of a table ticks all below it.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-all]")) {
    const boxes = event.target.closest("form").querySelectorAll("input[name=id]:not(:disabled)");
    boxes.forEach((box) => { box.checked = event.target.checked; });
  }
});

// On a phone the pages stand in one row, and the one that is open may be out of sight.
document.querySelector("nav.pages .active")?.scrollIntoView({ block: "nearest", inline: "center" });
localTimes();
schedule();
