// What happens: the data is opened and drawn; filters, the panel, the theme, and newer data.

const FEW = 3; // partitions up to which entities stand side by side
const page = {
  model: null,
  grids: [],
  states: new Set(),
  text: "",
  selected: "", // "partition flow:key" or "run id"
  opener: null,
};
const by = (id) => document.getElementById(id);

function draw(model) {
  page.model = model;
  document.title = `${headline(model)} · ${model.project} · hygge`;
  by("project").replaceChildren(name(model.project));
  by("made").replaceChildren(time(new Date(model.made), "as of "));
  drawSummary(model);
  by("lineage").hidden = model.flows.length === 0;
  drawGraph(model, by("graph"), goTo);
  by("history").hidden = model.runs.length === 0;
  if (model.runs.length) drawRuns(model.runs, by("runs"), (id) => open(`run ${id}`), { tell, untell });
  by("partitions").hidden = model.flows.length === 0;
  drawChips();
  drawCards();
  by("foot").textContent = `hygge ${model.hygge}. ${document.documentElement.dataset.mode === "live" ? "This page is served on this machine only." : "This page is one file and asks no network for anything."}`;
}

function drawChips() {
  const chips = page.model.states.filter((state) => page.model.counts[state] > 0 || page.states.has(state)).map((state) =>
    make(
      "button",
      { type: "button", class: "chip", "data-state": state, "aria-pressed": page.states.has(state) ? "true" : "false", onclick: () => toggle(state) },
      make("i", { class: `cell is-${state}`, "aria-hidden": "true" }),
      `${SAID[state]} `,
      make("span", { class: "number" }, count(page.model.counts[state])),
    ),
  );
  const focused = document.activeElement?.dataset?.state;
  by("chips").replaceChildren(...chips);
  if (focused) by("chips").querySelector(`[data-state="${focused}"]`)?.focus();
}

function toggle(state) {
  if (!page.states.delete(state)) page.states.add(state);
  drawChips();
  filter();
}

function drawCards() {
  const kept = new Map(page.grids.map((grid) => [grid.flow.name, grid]));
  const focused = document.activeElement?.closest?.(".grid") ? kept.get(document.activeElement.closest(".card").dataset.flow) : null;
  const task = focused?.task();
  page.grids = [];
  by("cards").replaceChildren(...page.model.flows.map((flow) => card(flow, kept.get(flow.name))));
  filter();
  if (focused) refocus(focused.flow.name, task);
}

function refocus(flow, task) {
  const grid = page.grids.find((each) => each.flow.name === flow);
  if (!grid || grid.shown.length === 0) return;
  const i = grid.flow.keys.indexOf(task.slice(flow.length + 1));
  grid.focus(Math.max(0, grid.shown.indexOf(i)), true);
}

function card(flow, before) {
  const head = make(
    "div",
    { class: "card-head" },
    make("h3", { tabindex: "-1" }, name(flow.name)),
    flow.description ? make("p", { class: "about", dir: "auto" }, flow.description) : null,
    flow.home ? make("p", { class: "ways" }, name(flow.home), make("span", { class: "kind" }, flow.home_kind), make("span", { class: "arrow", "aria-label": "to" }, "→"), name(flow.store), make("span", { class: "kind" }, flow.store_kind)) : null,
  );
  const little = flow.name.includes(".") && flow.length <= FEW && !flow.error;
  const section = make("section", { class: `card${little ? " is-little" : ""}`, "data-flow": flow.name, "aria-label": `Flow ${flow.name}` }, head);
  if (flow.error) section.append(fault(flow));
  if (flow.length) {
    section.append(make("p", { class: "card-counts" }, countsSaid(flow.counts)));
    const grid = new Grid(flow, { open: (task, key) => open(`partition ${task}`, key), moved, isSelected: (task) => page.selected === `partition ${task}`, tell, untell });
    grid.unfolded = before?.unfolded ?? false;
    page.grids.push(grid);
    section.append(grid.element, grid.more, make("p", { class: "axis", "aria-hidden": "true" }));
  } else if (!flow.error) {
    section.append(make("p", { class: "small" }, "It has no partitions yet: its home is empty."));
  }
  if (flow.waits_for.length) section.append(make("p", { class: "small" }, "May change further when ", name(flow.waits_for.join(" and ")), flow.waits_for.length === 1 ? " has been moved." : " have been moved."));
  return section;
}

function fault(flow) {
  const { what, where, hint, type } = flow.error;
  return make(
    "div",
    { class: "fault" },
    make("p", { class: "fault-what", dir: "auto" }, badge("failed", type), " ", what),
    where ? make("pre", { dir: "auto" }, where) : null,
    hint ? make("p", { dir: "auto" }, make("strong", {}, "Try: "), hint) : null,
    flow.remembered ? make("p", { class: "small" }, `${plural(flow.remembered, "partition")} of it ${flow.remembered === 1 ? "was" : "were"} moved before; the store stays as it is.`) : null,
  );
}

// Show what the filter lets through.
function filter() {
  const text = page.text.toLowerCase();
  const narrow = text !== "" || page.states.size > 0;
  let found = 0;
  for (const section of by("cards").children) {
    const flow = page.model.byName.get(section.dataset.flow);
    const grid = page.grids.find((each) => each.flow === flow);
    const numbers = grid ? matching(flow, text) : [];
    found += numbers.length;
    if (grid && (grid.shown.length !== numbers.length || grid.columns === 0 || narrow || grid.narrow)) grid.show(numbers);
    if (grid) grid.narrow = narrow;
    const about = `${flow.name} ${flow.error?.what ?? ""}`.toLowerCase();
    const itself = (page.states.size === 0 || (flow.error && page.states.has("failed"))) && about.includes(text);
    section.hidden = narrow && numbers.length === 0 && !(itself && (flow.error || text));
    const axis = section.querySelector(".axis");
    if (axis) axis.replaceChildren(...axisOf(flow, numbers, grid));
  }
  by("found").textContent = narrow ? `${count(found)} of ${plural(page.model.total, "partition")}` : "";
  measure();
}

function matching(flow, text) {
  const numbers = [];
  if (text && !flow.searched) flow.searched = flow.keys.map((key, i) => `${flow.name}:${key}\n${flow.reason(i)}`.toLowerCase());
  for (let i = 0; i < flow.length; i++) {
    if (page.states.size && !page.states.has(flow.states[i])) continue;
    if (text && !flow.searched[i].includes(text)) continue;
    numbers.push(i);
  }
  return numbers;
}

function axisOf(flow, numbers, grid) {
  if (grid.pitch.tile || numbers.length < 2) return [];
  return [name(flow.keys[numbers[0]]), make("span", {}, "…"), name(flow.keys[numbers.at(-1)])];
}

function only(flow, state) {
  page.states = new Set([state]);
  page.text = by("find").value = "";
  drawChips();
  filter();
  goTo(flow);
}

function goTo(flow) {
  const section = [...by("cards").children].find((each) => each.dataset.flow === flow);
  if (!section) return;
  if (section.hidden) {
    page.states.clear();
    page.text = by("find").value = "";
    drawChips();
    filter();
  }
  const gentle = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
  section.scrollIntoView({ behavior: gentle, block: "start" });
  section.querySelector("h3").focus({ preventScroll: true });
}

function tell(element, title, state, text, said = SAID[state]) {
  const tip = by("tip");
  tip.replaceChildren(make("strong", {}, name(title)), badge(state, said));
  if (text) tip.append(make("span", { class: "tip-text", dir: "auto" }, text));
  tip.hidden = false;
  const place = element.getBoundingClientRect();
  const { width, height } = tip.getBoundingClientRect();
  const above = place.top - height - 8;
  tip.style.left = `${Math.max(8, Math.min(place.left + place.width / 2 - width / 2, innerWidth - width - 8))}px`;
  tip.style.top = `${above > 8 ? above : place.bottom + 8}px`;
}

function untell() {
  by("tip").hidden = true;
}

// Open the panel; a second Enter on the same partition goes into it.
function open(what, byKey = false) {
  const again = page.selected === what && !by("panel").hidden;
  page.selected = what;
  page.opener = document.activeElement;
  const before = page.opener?.getBoundingClientRect().top;
  drawPanel();
  document.body.classList.add("has-panel");
  measure();
  const after = page.opener?.isConnected ? page.opener.getBoundingClientRect().top : before;
  if (before !== undefined && Math.abs(after - before) > 1) scrollBy(0, after - before);
  if (innerWidth <= 900) document.activeElement?.scrollIntoView({ block: "nearest" });
  if (byKey && again) by("panel-title").focus();
  untell();
}

function moved(task) {
  if (by("panel").hidden || !page.selected.startsWith("partition ")) return;
  page.selected = `partition ${task}`;
  drawPanel();
}

function drawPanel() {
  const [kind, ...rest] = page.selected.split(" ");
  const parts = kind === "run" ? runParts(rest.join(" ")) : partitionParts(rest.join(" "));
  if (!parts) return close();
  const inside = by("panel").contains(document.activeElement);
  by("panel").replaceChildren(...parts);
  by("panel").hidden = false;
  if (inside) by("panel-title").focus();
  for (const grid of page.grids) grid.select();
}

function partitionParts(task) {
  const flow = page.model.flows.find((each) => task.startsWith(`${each.name}:`));
  const i = flow ? flow.keys.indexOf(task.slice(flow.name.length + 1)) : -1;
  return i < 0 ? null : partitionPanel(flow, i, close);
}

function runParts(id) {
  const run = page.model.runs.find((each) => each.id === id);
  return run ? runPanel(run, close) : null;
}

function close() {
  if (by("panel").hidden) return;
  const [kind, ...rest] = page.selected.split(" ");
  by("panel").hidden = true;
  document.body.classList.remove("has-panel");
  page.selected = "";
  measure();
  for (const grid of page.grids) grid.select();
  if (kind === "partition") {
    const task = rest.join(" ");
    const flow = page.model.flows.find((each) => task.startsWith(`${each.name}:`));
    if (flow) refocus(flow.name, task);
  } else if (page.opener?.isConnected) {
    page.opener.focus();
  }
}

function measure() {
  for (const grid of page.grids) grid.measure();
}

let painting = 0;
function paint() {
  painting ||= requestAnimationFrame(() => {
    painting = 0;
    for (const grid of page.grids) grid.paint();
  });
}

const THEMES = ["system", "light", "dark"];
function theme(chosen) {
  document.documentElement.dataset.theme = chosen;
  by("theme").replaceChildren(make("span", { "aria-hidden": "true" }, { system: "◐", light: "○", dark: "●" }[chosen]), ` ${chosen} theme`);
  by("theme").setAttribute("aria-label", `Theme: ${chosen}. Change it`);
  try {
    localStorage.setItem("hygge-board-theme", chosen);
  } catch {
    // It is chosen anew next time.
  }
}

function rememberedTheme() {
  try {
    const chosen = localStorage.getItem("hygge-board-theme");
    return THEMES.includes(chosen) ? chosen : "system";
  } catch {
    return "system";
  }
}

function listen() {
  by("theme").addEventListener("click", () => theme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % 3]));
  by("find").addEventListener("input", (event) => {
    page.text = event.target.value.trim();
    filter();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !by("tip").hidden) untell();
    if (event.key === "Escape") close();
    if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "")) {
      event.preventDefault();
      by("find").focus();
    }
  });
  addEventListener("scroll", () => {
    untell();
    paint();
  }, { passive: true });
  addEventListener("resize", () => {
    measure();
    paint();
  });
  setInterval(refreshTimes, 20000);
}

theme(rememberedTheme());
listen();
if (typeof DecompressionStream === "undefined") {
  by("headline").textContent = "This browser is too old for this page";
  by("lead").textContent = "doit plan tells the same in words.";
} else {
  draw(await opened(by("data").textContent));
  if (document.documentElement.dataset.mode === "live") setTimeout(poll, POLL);
}
