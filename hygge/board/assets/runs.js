// The last runs: a bar each, as high as the run was long, and the newest in words.

const MOST_LINES = 5;

function drawRuns(runs, place, open, hooks) {
  const longest = Math.max(...runs.map((run) => run.seconds ?? 0), 0.001);
  const bars = make("div", { class: "bars", role: "group", "aria-label": `${plural(runs.length, "run")}, the newest at the right` });
  for (const run of [...runs].reverse()) bars.append(runBar(run, longest, open, hooks));
  const lines_ = make("ul", { class: "run-lines" });
  for (const run of runs.slice(0, MOST_LINES)) lines_.append(make("li", {}, runLine(run, open)));
  place.replaceChildren(bars, lines_);
}

function runBar(run, longest, open, hooks) {
  const bar = make("button", { type: "button", class: "bar", "data-again": `bar ${run.id}`, "aria-label": `Run ${when(run)}: ${runSaid(run)}` });
  const fill = make("i", { class: `fill is-run-${run.status}` });
  // The root keeps short runs visible beside long ones.
  fill.style.height = `${Math.max(6, Math.round(56 * Math.sqrt((run.seconds ?? 0) / longest)))}px`;
  bar.append(fill);
  bar.addEventListener("click", () => open(run.id));
  for (const type of ["mouseenter", "focus"]) bar.addEventListener(type, () => hooks.tell(bar, when(run), `run-${run.status}`, runSaid(run), RUN_SAID[run.status]));
  for (const type of ["mouseleave", "blur"]) bar.addEventListener(type, () => hooks.untell());
  return bar;
}

function when(run) {
  const moment = momentOf(run.id);
  return moment ? ago(moment) : run.id;
}

function runSaid(run) {
  return `${RUN_SAID[run.status] ?? run.status}, ${moves(run)}, in ${duration(run.seconds)}`;
}

function moves(run) {
  const { moved = 0, removed = 0, failed = 0, not_run = 0 } = run.counts;
  const parts = [`${count(moved)} moved`];
  if (removed) parts.push(`${count(removed)} removed`);
  if (failed) parts.push(`${count(failed)} failed`);
  if (not_run) parts.push(`${count(not_run)} not run`);
  return parts.join(", ");
}

function runLine(run, open) {
  const amount = run.counts.rows ? `${plural(run.counts.rows, "row")}, ${size(run.counts.bytes)}` : "";
  return make(
    "button",
    { type: "button", class: "run-line", "data-again": `line ${run.id}`, onclick: () => open(run.id) },
    badge(`run-${run.status}`, RUN_SAID[run.status] ?? run.status),
    make("span", { class: "run-when" }, time(momentOf(run.id))),
    make("span", { class: "run-moves" }, moves(run)),
    make("span", { class: "run-amount" }, amount),
    make("span", { class: "run-took" }, duration(run.seconds)),
  );
}
