// How things are said: numbers, times, states; and how elements are made without ever parsing text.

const SAID = {
  fresh: "up to date",
  stale: "stale",
  failed: "failed",
  never: "never moved",
  ignored: "ignored",
};

const RUN_SAID = {
  succeeded: "succeeded",
  failed: "failed",
  interrupted: "interrupted",
  running: "going on",
  unknown: "not known",
};

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// A name from outside: kept apart, so that its direction of writing changes nothing around it.
function name(text, attributes = {}) {
  return make("bdi", attributes, text);
}

const whole = new Intl.NumberFormat("en");

function count(number) {
  return whole.format(number);
}

function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  let value = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (value < 1000 || unit === "GB") {
      return `${unit === "B" ? value : value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
    }
    value /= 1000;
  }
  return "";
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "not known";
  if (seconds < 0.1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function momentOf(run) {
  const m = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z/.exec(run);
  return m ? new Date(Date.UTC(m[1], m[2] - 1, m[3], m[4], m[5], m[6], m[7])) : null;
}

const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

function ago(moment) {
  const seconds = Math.round((Date.now() - moment) / 1000);
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${seconds} seconds ago`;
  if (seconds < 3600) return `${plural(Math.round(seconds / 60), "minute")} ago`;
  if (seconds < 86400) return `${plural(Math.round(seconds / 3600), "hour")} ago`;
  return `${plural(Math.round(seconds / 86400), "day")} ago`;
}

function time(moment, before = "") {
  if (!moment) return "";
  return make("span", {}, before, make("time", { datetime: moment.toISOString(), title: exact.format(moment) }, ago(moment)));
}

function refreshTimes() {
  for (const each of document.querySelectorAll("time")) each.textContent = ago(new Date(each.dateTime));
}

function badge(state, said = SAID[state]) {
  return make("span", { class: `badge is-${state}` }, make("i", { class: `cell is-${state}`, "aria-hidden": "true" }), said);
}

function quoted(task) {
  return /^[\w.:/@%+-]+$/.test(task) ? task : `'${task.replaceAll("'", "'\\''")}'`;
}

// The kind of a reason stands before its detail.
function kindOf(reason) {
  const [kind] = reason.split(": ");
  return kind;
}

// Bars that show how many are in which state, side by side.
function proportions(counts, total) {
  const bar = make("span", { class: "share", "aria-hidden": "true" });
  for (const [state, number] of Object.entries(counts)) {
    if (number === 0) continue;
    const part = make("i", { class: `part is-${state}` });
    part.style.flexGrow = Math.max(number / total, 0.04);
    bar.append(part);
  }
  return bar;
}

function countsSaid(counts) {
  const parts = Object.entries(counts).filter(([, number]) => number > 0);
  return parts.map(([state, number]) => `${count(number)} ${SAID[state]}`).join(", ");
}
