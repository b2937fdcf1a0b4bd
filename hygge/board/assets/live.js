// What a served page does: it asks for newer data, and draws that without disturbing who looks.

const POLL = 1500; // milliseconds between two questions

// Ask the server for what changed, while somebody looks.
let version = "";
async function poll() {
  if (document.visibilityState === "visible") {
    const answer = await asked();
    if (answer?.status === 200) await take(answer);
    else if (answer?.status === 304) notice(page.trouble ?? "");
  }
  setTimeout(poll, POLL);
}

async function asked() {
  try {
    return await fetch("data", { headers: version ? { "If-None-Match": version } : {}, cache: "no-store" });
  } catch {
    by("made").replaceChildren(time(new Date(page.model.made), "as of "));
    notice("Nobody serves this page any more: what it shows is no longer refreshed.", true);
    return null;
  }
}

async function take(answer) {
  version = answer.headers.get("ETag") ?? "";
  const { data, error } = await answer.json();
  notice(error ?? "");
  if (!data) return;
  const model = await opened(data);
  if (model.v !== page.model.v) location.reload();
  else redraw(model);
  by("made").textContent = "refreshed by itself";
}

// Draw newer data; whoever is looking stays where they were.
function redraw(model) {
  const again = document.activeElement?.dataset?.again;
  const graph = by("graph");
  const [top, left, down] = [scrollY, graph.scrollLeft, graph.scrollTop];
  untell();
  draw(model);
  if (page.selected) drawPanel();
  scrollTo(0, top);
  graph.scrollTo(left, down);
  if (again) [...document.querySelectorAll("[data-again]")].find((each) => each.dataset.again === again)?.focus({ preventScroll: true });
}

function notice(text, passing = false) {
  if (!passing) page.trouble = text;
  by("notice").hidden = text === "";
  if (by("notice").textContent !== text) by("notice").textContent = text;
}
