// A flow's partitions as a grid, of which only the rows that are in sight exist.

const SMALL = { width: 17, height: 17, tile: false };
const MOST_TILES = 60; // partitions up to which there is room for each name
const MOST_ROWS = 44; // rows up to which a grid is shown whole
const FEW_ROWS = 14; // rows that are shown of a longer one
const BEYOND = 300; // pixels around the window in which rows exist too

class Grid {
  constructor(flow, hooks) {
    this.flow = flow;
    this.hooks = hooks;
    this.shown = Array.from({ length: flow.length }, (_, i) => i);
    this.active = 0; // place in `shown`
    this.unfolded = false;
    this.rows = new Map();
    this.columns = 0;
    this.pitch = pitchFor(flow);
    this.element = make("div", { class: `grid${this.pitch.tile ? " has-names" : ""}`, role: "grid", "aria-label": `Partitions of ${flow.name}`, "aria-describedby": "keys" });
    this.more = make("button", { type: "button", class: "quiet more", hidden: true, onclick: () => this.unfold() });
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("click", (event) => this.click(event));
    for (const type of ["mouseover", "focusin"]) this.element.addEventListener(type, (event) => this.tell(event));
    for (const type of ["mouseleave", "focusout"]) this.element.addEventListener(type, () => hooks.untell());
  }

  // Show only the partitions whose numbers are given.
  show(numbers) {
    const before = this.shown[this.active];
    this.shown = numbers;
    this.active = Math.max(0, numbers.indexOf(before));
    this.measure(true);
  }

  // Find out how many fit side by side; draw anew if that changed.
  measure(anyway = false) {
    const columns = Math.max(1, Math.floor(this.element.clientWidth / this.pitch.width));
    if (this.element.clientWidth === 0 || (columns === this.columns && !anyway)) return;
    const focused = this.element.contains(document.activeElement);
    this.columns = columns;
    const rows = this.rowCount();
    this.element.style.height = `${rows * this.pitch.height}px`;
    this.element.setAttribute("aria-rowcount", Math.ceil(this.shown.length / columns));
    this.element.setAttribute("aria-colcount", columns);
    this.fold();
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.paint();
    if (focused) this.focus(this.active, true);
  }

  rowCount() {
    const all = Math.ceil(this.shown.length / this.columns);
    return this.unfolded || all <= MOST_ROWS ? all : FEW_ROWS;
  }

  fold() {
    const hidden = this.shown.slice(this.rowCount() * this.columns);
    this.more.hidden = hidden.length === 0;
    const restless = hidden.filter((i) => this.flow.states[i] !== "fresh").length;
    this.more.textContent = `Show ${count(hidden.length)} more${restless ? `, ${count(restless)} of them not up to date` : ""}`;
  }

  unfold() {
    this.unfolded = true;
    this.measure(true);
  }

  paint() {
    if (this.columns === 0) return;
    const { top, bottom } = this.element.getBoundingClientRect();
    const rows = this.rowCount();
    const inSight = bottom > -BEYOND && top < innerHeight + BEYOND;
    const first = inSight ? Math.max(0, Math.floor((-BEYOND - top) / this.pitch.height)) : 0;
    const last = inSight ? Math.min(rows - 1, Math.floor((innerHeight + BEYOND - top) / this.pitch.height)) : -1;
    const kept = Math.min(rows - 1, Math.floor(this.active / this.columns));
    for (const [number, row] of this.rows) {
      if ((number < first || number > last) && number !== kept) {
        row.remove();
        this.rows.delete(number);
      }
    }
    for (let number = first; number <= last; number++) this.row(number);
    if (kept >= 0) this.row(kept);
  }

  row(number) {
    if (this.rows.has(number)) return;
    const row = make("div", { role: "row", class: "row", "aria-rowindex": number + 1 });
    row.style.transform = `translateY(${number * this.pitch.height}px)`;
    const start = number * this.columns;
    for (let at_ = start; at_ < Math.min(start + this.columns, this.shown.length); at_++) row.append(this.cell(at_));
    this.rows.set(number, row);
    const next = [...this.rows.keys()].filter((other) => other > number).sort((a, b) => a - b)[0];
    this.element.insertBefore(row, next === undefined ? null : this.rows.get(next));
  }

  cell(at_) {
    const i = this.shown[at_];
    const state = this.flow.states[i];
    const task = `${this.flow.name}:${this.flow.keys[i]}`;
    const mark = make("i", { class: `cell is-${state}`, "aria-hidden": "true" });
    const slot = make(
      "div",
      { role: "gridcell", class: "slot", tabindex: at_ === this.active ? 0 : -1, "aria-colindex": (at_ % this.columns) + 1, "aria-label": `${this.flow.keys[i]}, ${SAID[state]}`, "aria-selected": this.hooks.isSelected(task) ? "true" : "false", "data-at": at_ },
      mark,
    );
    slot.style.width = `${this.pitch.width}px`;
    slot.style.height = `${this.pitch.height}px`;
    if (this.pitch.tile) slot.append(name(this.flow.keys[i]));
    return slot;
  }

  slot(at_) {
    return this.rows.get(Math.floor(at_ / this.columns))?.children[at_ % this.columns] ?? null;
  }

  focus(at_, still = false) {
    const before = this.slot(this.active);
    if (before) before.tabIndex = -1;
    this.active = Math.max(0, Math.min(at_, this.shown.length - 1));
    if (Math.floor(this.active / this.columns) >= this.rowCount()) this.unfold();
    this.row(Math.floor(this.active / this.columns));
    const slot = this.slot(this.active);
    slot.tabIndex = 0;
    slot.focus({ preventScroll: true });
    if (!still) slot.scrollIntoView({ block: "nearest" });
    this.paint();
  }

  key(event) {
    const whole = event.ctrlKey || event.metaKey;
    const line = this.active - (this.active % this.columns);
    const page = this.columns * 10;
    const steps = {
      ArrowRight: this.active + 1,
      ArrowLeft: this.active - 1,
      ArrowDown: this.active + this.columns,
      ArrowUp: this.active - this.columns,
      PageDown: this.active + page,
      PageUp: this.active - page,
      Home: whole ? 0 : line,
      End: whole ? this.shown.length - 1 : line + this.columns - 1,
    };
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.hooks.open(this.task(), true);
    } else if (event.key in steps && !event.altKey) {
      event.preventDefault();
      const beyond = steps[event.key] < 0 || steps[event.key] >= this.shown.length;
      if (beyond && (event.key === "ArrowUp" || event.key === "ArrowDown")) return;
      this.focus(steps[event.key]);
      this.hooks.moved(this.task());
    }
  }

  task() {
    return `${this.flow.name}:${this.flow.keys[this.shown[this.active]]}`;
  }

  click(event) {
    const slot = event.target.closest(".slot");
    if (!slot) return;
    this.focus(Number(slot.dataset.at), true);
    this.hooks.open(this.task(), false);
  }

  tell(event) {
    const slot = event.target.closest(".slot");
    if (!slot) return;
    const i = this.shown[Number(slot.dataset.at)];
    this.hooks.tell(slot, this.flow.keys[i], this.flow.states[i], this.flow.reason(i));
  }

  // Mark which one the panel tells of.
  select() {
    for (const row of this.rows.values()) {
      for (const slot of row.children) {
        const task = `${this.flow.name}:${this.flow.keys[this.shown[Number(slot.dataset.at)]]}`;
        slot.setAttribute("aria-selected", this.hooks.isSelected(task) ? "true" : "false");
      }
    }
  }
}

function pitchFor(flow) {
  const longest = flow.keys.reduce((most, key) => Math.max(most, key.length), 0);
  if (flow.length > MOST_TILES || longest > 30) return SMALL;
  return { width: Math.min(320, Math.max(84, 56 + longest * 8.4)), height: 36, tile: true };
}
