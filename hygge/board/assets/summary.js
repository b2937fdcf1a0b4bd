// What the page says first: is everything up to date, and if not, what and why?

function running(model) {
  return model.runs.find((run) => run.status === "running");
}

function headline(model) {
  if (model.flows.length === 0) return "Nothing here yet";
  if (running(model)) return "A run is going on";
  const broken = model.flows.filter((flow) => flow.error).length;
  const { failed, stale, never } = model.counts;
  const waiting = stale + never;
  if (broken) return `${plural(broken, "flow")} can't be used`;
  if (failed) return `${plural(failed, "partition")} failed`;
  if (waiting) return `${plural(waiting, "partition")} ${waiting === 1 ? "waits" : "wait"} to be moved`;
  return model.total ? "Everything is up to date" : "There is nothing to move";
}

function drawSummary(model) {
  if (by("headline").textContent !== headline(model)) by("headline").textContent = headline(model);
  by("headline").className = `is-${running(model) ? "running" : model.status}`;
  const flows = plural(model.flows.length, "flow");
  const lead = model.flows.length ? `${plural(model.total, "partition")} in ${flows}: ${countsSaid(model.counts) || "none"}.` : "";
  by("lead").textContent = lead;
  drawProgress(running(model));
  by("causes").replaceChildren(...causes(model).map((each) => make("li", {}, each)));
  by("next").replaceChildren(...next(model));
}

function drawProgress(run) {
  by("progress").hidden = !run;
  if (!run) return;
  const done = (run.counts.moved ?? 0) + (run.counts.removed ?? 0) + (run.counts.failed ?? 0);
  const all = done + (run.counts.pending ?? 0);
  const bar = make("progress", { max: all || 1, value: done, "aria-label": "Partitions moved" });
  by("progress").replaceChildren(bar, make("span", {}, `${count(done)} of ${count(all)}, for ${duration(run.seconds)}`));
}

const ORDER = ["failed", "stale", "never"];

// What is not up to date and why: a line for each flow and kind of reason.
function causes(model) {
  const found = [];
  for (const flow of model.flows) {
    if (flow.error) found.push([-1, make("button", { type: "button", class: "cause", "data-again": `cause ${flow.name}`, onclick: () => goTo(flow.name) }, badge("failed", "broken"), name(flow.name, { class: "cause-flow" }), make("span", { dir: "auto" }, flow.error.what))]);
    const kinds = new Map();
    flow.states.forEach((state, i) => {
      if (state === "fresh" || state === "ignored") return;
      const reason = flow.reason(i);
      const label = `${state}\n${kindOf(reason)}`;
      const seen = kinds.get(label) ?? { number: 0, first: reason };
      seen.number += 1;
      kinds.set(label, seen);
    });
    for (const [label, { number, first }] of kinds) {
      const [state, kind] = label.split("\n");
      const why = number === 1 ? first : kind;
      found.push([ORDER.indexOf(state), make("button", { type: "button", class: "cause", "data-again": `cause ${flow.name} ${label}`, onclick: () => only(flow.name, state) }, badge(state, `${count(number)} ${SAID[state]}`), name(flow.name, { class: "cause-flow" }), make("span", { dir: "auto" }, why))]);
    }
  }
  const lines_ = found.sort((a, b) => a[0] - b[0]).map((each) => each[1]);
  const rest = lines_.length - 12;
  return rest > 1 ? [...lines_.slice(0, 12), make("span", { class: "small" }, `and ${count(rest)} more reasons, below`)] : lines_;
}

function next(model) {
  const code = (text) => make("code", {}, text);
  if (model.flows.length === 0) return firstStep();
  if (running(model)) return [];
  if (model.flows.some((flow) => flow.error)) return ["Mend what is broken; ", code("doit plan"), " tells it too."];
  if (model.counts.failed) return ["See what went wrong, mend it, then type ", code("doit"), "."];
  if (model.counts.stale + model.counts.never) return ["Type ", code("doit"), " to bring everything up to date."];
  return [];
}

function firstStep() {
  return [
    make("span", { class: "first" }, "A flow says where data comes from and where it should settle. Write a first one, ", make("code", {}, "flows/NAME.yml"), ":"),
    make("pre", {}, "home: data/home/NAME     # a folder with your files\nstore: data/store/NAME   # where they become parquet"),
    make("span", { class: "first" }, "Then type ", make("code", {}, "doit"), " and ", make("code", {}, "doit board"), " again."),
  ];
}
