// What is told of one partition, or of one run, beside the page.

function partitionPanel(flow, i, close) {
  const key = flow.keys[i];
  const state = flow.states[i];
  const reason = flow.reason(i);
  const receipt = flow.receipt(i);
  const task = `${flow.name}:${key}`;
  const parts = [
    panelHead(name(key), make("span", {}, "partition of ", name(flow.name)), close),
    make("p", { class: "panel-state" }, badge(state)),
  ];
  if (reason) parts.push(told("Why", reasonText(reason, state)));
  if (state === "ignored") parts.push(told("Why", "It was set aside with doit ignore; doit forget takes that back."));
  if (receipt) parts.push(...receiptParts(receipt));
  else parts.push(...waitingParts(flow.waiting(i), state));
  const command = state === "fresh" ? `doit info ${quoted(task)}` : `doit why ${quoted(task)}`;
  parts.push(told("In a terminal", make("code", { class: "command", dir: "ltr" }, command)));
  return parts;
}

function panelHead(title, below, close) {
  return make(
    "div",
    { class: "panel-head" },
    make("div", {}, make("h2", { id: "panel-title", tabindex: "-1" }, title), make("p", { class: "panel-of" }, below)),
    make("button", { type: "button", class: "quiet close", "aria-label": "Close (Escape)", onclick: close }, "×"),
  );
}

function told(title, ...content) {
  return make("section", { class: "told" }, make("h3", {}, title), ...content.map((each) => (typeof each === "string" ? make("p", {}, each) : each)));
}

function reasonText(reason, state) {
  const kind = kindOf(reason);
  const detail = reason.slice(kind.length + 2);
  const words = make("p", { class: `reason is-${state}` }, make("strong", {}, kind));
  if (detail) words.append(make("span", { class: "detail", dir: "auto" }, detail));
  return words;
}

function receiptParts(receipt) {
  const rows = receipt.outputs.some((each) => each.rows === null) ? null : receipt.outputs.reduce((sum, each) => sum + each.rows, 0);
  const bytes = receipt.outputs.reduce((sum, each) => sum + each.size, 0);
  const facts = make("dl", { class: "facts" });
  for (const [word, value] of [
    ["moved", time(momentOf(receipt.run)) || "–"],
    ["took", duration(receipt.seconds)],
    ["rows", rows === null ? "not counted" : count(rows)],
    ["size", size(bytes)],
  ]) facts.append(make("div", {}, make("dt", {}, word), make("dd", {}, value)));
  const parts = [
    told("Receipt", facts),
    told(`${plural(receipt.sources.length, "source")} read`, fileTable(receipt.sources, false)),
  ];
  if (receipt.inputs.length) parts.push(told(plural(receipt.inputs.length, "file of other tables", "files of other tables"), fileTable(receipt.inputs, false)));
  parts.push(told(receipt.number ? `${plural(receipt.number, "output")} written` : "No output", receipt.number ? fileTable(receipt.outputs, true) : "It had no rows."));
  parts.push(make("p", { class: "small" }, "Run ", make("code", {}, receipt.run), ", configuration ", make("code", { title: receipt.config }, receipt.config.slice(0, 8))));
  return parts;
}

function waitingParts(sources, state) {
  if (state === "ignored" && sources.length === 0) return [];
  const parts = [told("Receipt", "None: it has not been moved yet.")];
  if (sources.length) parts.push(told(`${plural(sources.length, "source")} waiting`, fileTable(sources, false)));
  return parts;
}

const MOST_FILES = 200;

function fileTable(files, withRows) {
  const list = make("ul", { class: "files" });
  for (const file of files.slice(0, MOST_FILES)) {
    const facts = [size(file.size)];
    if (withRows) facts.unshift(file.rows === null ? "rows not counted" : plural(file.rows, "row"));
    const line = make("span", { class: "file-facts" }, facts.join(" · "));
    if (file.hash) line.append(" · ", make("code", { class: "hash", title: `content hash ${file.hash}` }, file.hash.slice(0, 8)));
    list.append(make("li", {}, name(file.path, { class: "path" }), line));
  }
  if (files.length > MOST_FILES) list.append(make("li", {}, `and ${count(files.length - MOST_FILES)} more`));
  return list;
}

function runPanel(run, close) {
  const facts = make("dl", { class: "facts" });
  const said = { moved: "moved", removed: "removed", unchanged: "up to date", failed: "failed", not_run: "not run", pending: "still to do", rows: "rows" };
  for (const [key, word] of Object.entries(said)) {
    if (run.counts[key]) facts.append(make("div", {}, make("dt", {}, word), make("dd", {}, count(run.counts[key]))));
  }
  if (run.counts.bytes) facts.append(make("div", {}, make("dt", {}, "size"), make("dd", {}, size(run.counts.bytes))));
  facts.append(make("div", {}, make("dt", {}, "took"), make("dd", {}, duration(run.seconds))));
  const parts = [
    panelHead(make("span", {}, "Run"), time(momentOf(run.id)), close),
    make("p", { class: "panel-state" }, badge(`run-${run.status}`, RUN_SAID[run.status] ?? run.status)),
    told("What it did", facts),
  ];
  if (run.failed.length) {
    const list = make("ul", { class: "files" });
    for (const [task, message] of run.failed) list.append(make("li", {}, name(task, { class: "path" }), make("span", { class: "file-facts", dir: "auto" }, message)));
    const rest = (run.counts.failed ?? 0) - run.failed.length;
    if (rest > 0) list.append(make("li", {}, `and ${count(rest)} more`));
    parts.push(told("What failed", list));
  }
  parts.push(told("Typed", make("code", { class: "command", dir: "ltr" }, run.command)));
  parts.push(told("In a terminal", make("code", { class: "command", dir: "ltr" }, `doit show ${run.id}`)));
  return parts;
}
