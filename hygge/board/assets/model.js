// What the page knows: the packed data, opened, with each receipt put together when it is asked for.

const KEY = "\u0001";

async function opened(packed) {
  const bytes = Uint8Array.from(atob(packed.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return modelled(JSON.parse(await new Response(stream).text()));
}

function modelled(data) {
  const flows = data.flows.map((flow) => flowModel(flow, data));
  const counts = Object.fromEntries(data.states.map((state) => [state, 0]));
  for (const flow of flows) {
    for (const state of data.states) counts[state] += flow.counts[state];
  }
  const byName = new Map(flows.map((flow) => [flow.name, flow]));
  const total = flows.reduce((sum, flow) => sum + flow.length, 0);
  return { ...data, flows, counts, byName, total };
}

function flowModel(flow, data) {
  const columns = flow.cells;
  const states = Array.from(columns.states, (digit) => data.states[digit]);
  const counts = Object.fromEntries(data.states.map((state) => [state, 0]));
  for (const state of states) counts[state] += 1;
  const model = { ...flow, columns, states, counts, length: states.length, keys: columns.keys };
  let starts = null;
  const told = (number, i) => data.texts[number].replaceAll(KEY, columns.keys[i]);
  model.reason = (i) => (columns.reasons[i] < 0 ? "" : told(columns.reasons[i], i));
  model.receipt = (i) => {
    starts ??= startsOf(columns, states.length);
    return receiptOf(columns, starts, data, i, told);
  };
  model.waiting = (i) => {
    starts ??= startsOf(columns, states.length);
    return filesOf(columns.waiting, starts.waiting, i, i, data, told);
  };
  return model;
}

// Where the files of each partition begin in the columns of files.
function startsOf(columns, length) {
  const place = new Int32Array(length).fill(-1);
  let receipts = 0;
  columns.runs.forEach((run, i) => {
    if (run >= 0) place[i] = receipts++;
  });
  return {
    place,
    sources: sums(columns.sources.counts, receipts),
    outputs: sums(columns.outputs.counts, receipts),
    waiting: sums(columns.waiting.counts, length),
  };
}

function sums(counts, length) {
  const starts = new Int32Array(length + 1);
  for (let i = 0; i < length; i++) starts[i + 1] = starts[i] + at(counts, i);
  return starts;
}

function at(numbers, i) {
  return Array.isArray(numbers) ? numbers[i] : numbers;
}

function filesOf(files, starts, n, i, data, told) {
  const found = [];
  for (let at_ = starts[n]; at_ < starts[n + 1]; at_++) {
    const hash = files.hashes.slice(at_ * data.hash_length, (at_ + 1) * data.hash_length);
    const rows = files.rows ? files.rows[at_] : undefined;
    found.push({ path: told(files.paths[at_], i), size: files.sizes[at_], rows, hash: hash.trim() });
  }
  return found;
}

function receiptOf(columns, starts, data, i, told) {
  const n = starts.place[i];
  if (n < 0) return null;
  const inputs = columns.inputs[n];
  return {
    run: data.texts[columns.runs[i]],
    seconds: columns.seconds[n],
    config: data.texts[columns.configs[n]],
    sources: filesOf(columns.sources, starts.sources, n, i, data, told),
    inputs: inputs < 0 ? [] : JSON.parse(data.texts[inputs]).map(([path, size, hash]) => ({ path, size, hash })),
    outputs: filesOf(columns.outputs, starts.outputs, n, i, data, told),
    number: at(columns.outputs.numbers, n),
  };
}
