// Keys that lead to pages and rows. They are off while a user types, and can be switched off. Everything works without them.
"use strict";

const keyList = document.getElementById("keys");
const keySwitch = document.getElementById("keys-on");
const pages = new Map([...keyList.querySelectorAll("a[data-key]")].map((link) => [link.dataset.key, link.href]));
const areOn = () => localStorage.getItem("keys") !== "off";
let afterG = 0;

function types(element) {
  return element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox]):not([type=radio])");
}

function search() {
  const field = document.querySelector("main input[name=q]");
  if (!field) return location.assign(pages.get("e"));
  field.focus();
  field.select();
}

function toRow(step) {
  const rows = [...document.querySelectorAll("main table:not(.grid) tbody tr")];
  const now = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[now < 0 ? 0 : Math.min(Math.max(now + step, 0), rows.length - 1)];
  if (!row) return;
  row.tabIndex = -1;
  row.focus();
}

function rowHere() {
  return document.activeElement.closest("main table:not(.grid) tbody tr");
}

const acts = {
  "/": search,
  "?": () => keyList.showModal(),
  ".": () => toggleLive(),
  j: () => toRow(1),
  k: () => toRow(-1),
  x: () => rowHere()?.querySelector("input[type=checkbox]:not(:disabled)")?.click(),
  Enter: () => rowHere()?.querySelector("a[href]")?.click(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || keyList.open || types(event.target)) return;
  if (event.key === "Enter" && !event.target.matches("tr")) return;
  if (!areOn()) return;
  const page = performance.now() - afterG < 1500 ? pages.get(event.key) : undefined;
  afterG = event.key === "g" ? performance.now() : 0;
  const act = page ? () => location.assign(page) : acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

keySwitch.checked = areOn();
keySwitch.addEventListener("change", () => localStorage.setItem("keys", keySwitch.checked ? "on" : "off"));
const opener = document.getElementById("show-keys");
opener.hidden = false;
opener.addEventListener("click", () => keyList.showModal());
