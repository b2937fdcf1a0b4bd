// The lineage: boxes where the layout put them, over lines from one to the next.

const BOX = { width: 200, height: 76, gapX: 56, gapY: 18, edge: 8 };
const MOST_PATH = 23;

function drawGraph(model, place, goTo) {
  const { nodes, edges } = model.graph;
  place.replaceChildren();
  if (nodes.length === 0) return;
  const layers = 1 + Math.max(...nodes.map((node) => node.layer));
  const rows = [...nodes.map((node) => node.row), ...edges.flatMap((edge) => edge.bends.map((bend) => bend[1]))];
  const width = layers * (BOX.width + BOX.gapX) - BOX.gapX + 2 * BOX.edge;
  const height = (1 + Math.max(...rows)) * (BOX.height + BOX.gapY) - BOX.gapY + 2 * BOX.edge;
  const sheet = make("div", { class: "sheet" });
  sheet.style.width = `${width}px`;
  sheet.style.height = `${height}px`;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  sheet.append(lines(edges, byId, width, height));
  // Read, and reached with the Tab key, from left to right.
  const inOrder = [...nodes].sort((a, b) => a.layer - b.layer || a.row - b.row);
  const list = make("ul", { class: "nodes" });
  for (const node of inOrder) {
    const item = make("li", {}, node.kind === "flow" ? flowBox(node, model, goTo) : placeBox(node));
    item.style.left = `${x(node.layer)}px`;
    item.style.top = `${y(node.row)}px`;
    item.style.width = `${BOX.width}px`;
    item.style.height = `${BOX.height}px`;
    list.append(item);
  }
  sheet.append(list);
  place.append(sheet);
}

function x(layer) {
  return BOX.edge + layer * (BOX.width + BOX.gapX);
}

function y(row) {
  return BOX.edge + row * (BOX.height + BOX.gapY);
}

function lines(edges, byId, width, height) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  svg.setAttribute("aria-hidden", "true");
  for (const edge of edges) {
    const from = byId.get(edge.source);
    const to = byId.get(edge.target);
    if (from.layer >= to.layer) continue;
    const path = document.createElementNS(space, "path");
    path.setAttribute("class", `line is-${edge.kind}`);
    path.setAttribute("d", way(from, to, edge.bends));
    path.dataset.ends = JSON.stringify([edge.source, edge.target]);
    svg.append(path);
  }
  return svg;
}

function way(from, to, bends) {
  const middle = (row) => y(row) + BOX.height / 2;
  let [px, py] = [x(from.layer) + BOX.width, middle(from.row)];
  let path = `M${px},${py}`;
  const stops = [...bends.map(([layer, row]) => [x(layer), middle(row), x(layer) + BOX.width]), [x(to.layer), middle(to.row), 0]];
  for (const [nx, ny, out] of stops) {
    const half = (nx - px) / 2;
    path += ` C${px + half},${py} ${nx - half},${ny} ${nx},${ny}`;
    if (out) path += ` H${out}`;
    [px, py] = [out, ny];
  }
  return path;
}

// The end of a path tells more than its beginning.
function shortened(path) {
  return path.length > MOST_PATH ? `…${path.slice(1 - MOST_PATH)}` : path;
}

function placeBox(node) {
  return make("div", { class: "box is-place", title: node.label }, make("span", { class: "box-kind" }, "home"), name(shortened(node.label), { class: "box-path" }));
}

function flowBox(node, model, goTo) {
  const flows = node.flows.map((flow) => model.byName.get(flow));
  const counts = Object.fromEntries(model.states.map((state) => [state, 0]));
  for (const flow of flows) for (const state of model.states) counts[state] += flow.counts[state];
  const total = flows.reduce((sum, flow) => sum + flow.length, 0);
  const broken = flows.filter((flow) => flow.error).length;
  const said = broken ? "can't be used" : total ? countsSaid(counts) : "no partitions yet";
  const about = flows.length > 1 ? `${plural(flows.length, "entity", "entities")}, ` : "";
  const box = make(
    "button",
    { type: "button", "data-again": node.id, class: `box is-flow${broken ? " is-broken" : ""}`, "aria-label": `${node.label}: ${about}${said}. Go to its partitions`, title: `${node.label}: ${about}${said}` },
    name(node.label.replace(/\.\*$/, ""), { class: "box-name" }),
    make("span", { class: "box-path" }, flows.length > 1 ? plural(flows.length, "entity", "entities") : name(shortened(flows[0].store))),
    broken ? make("span", { class: "box-broken" }, badge("failed", broken === flows.length ? "can't be used" : `${broken} can't be used`)) : make("span", { class: "box-counts" }, proportions(counts, total || 1), make("span", {}, total ? plural(total, "partition") : "none yet")),
  );
  box.addEventListener("click", () => goTo(flows[0].name));
  for (const [event, on] of [["mouseenter", true], ["focus", true], ["mouseleave", false], ["blur", false]]) {
    box.addEventListener(event, () => emphasise(box, node.id, on));
  }
  return box;
}

function emphasise(box, id, on) {
  const sheet = box.closest(".sheet");
  for (const path of sheet.querySelectorAll("path")) {
    path.classList.toggle("is-lit", on && JSON.parse(path.dataset.ends).includes(id));
  }
}
