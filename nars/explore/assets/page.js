// The page: its state, what is drawn of it, and what its buttons ask.

const byId = id => document.getElementById(id);
const state = { limits: {}, budgets: [], tied: [], family: [], axis: data.costs[0]?.name, chosen: undefined, pinned: undefined, sample: undefined, found: [], spots: [], asked: undefined };
const answerable = Boolean(data.front);

// -- what may it cost -------------------------------------------------------------------------------------------------

const ends = Object.fromEntries(data.costs.map(({ name }) => {
  const values = [...candidates, ...data.samples].map(one => one.costs[name]).filter(Number.isFinite);
  return [name, [Math.min(...values), Math.max(...values)]];
}));
const STEPS = 400;

/** Place of a slider and back: by ratio, as costs are; the right end is no limit. */
function valueAt(name, place) {
  const [low, high] = ends[name];
  return place >= STEPS ? Infinity : +(low > 0 ? low * (high / low) ** (place / STEPS) : low + (high - low) * place / STEPS).toPrecision(3);
}
function placeOf(name, value) {
  const [low, high] = ends[name];
  if (!(value < high)) return STEPS;
  return Math.max(0, Math.round(STEPS * (low > 0 ? Math.log(value / low) / Math.log(high / low || 2) : (value - low) / (high - low || 1))));
}

function limitFields() {
  for (const { name, unit: of } of data.costs) {
    const slider = element("input", { type: "range", min: 0, max: STEPS, value: STEPS, id: `slider-${name}` });
    slider.setAttribute("aria-label", `${title(name)}, at most`);
    const field = element("input", { id: `field-${name}`, placeholder: "no limit", spellcheck: false });
    field.setAttribute("aria-label", `${title(name)}, at most, as a number`);
    slider.oninput = () => { const value = valueAt(name, +slider.value); field.value = Number.isFinite(value) ? shorten(value) : ""; field.classList.remove("wrong"); limit(name, value); };
    field.oninput = () => {
      const value = field.value.trim() ? quantity(field.value) : Infinity;
      field.classList.toggle("wrong", Number.isNaN(value));
      if (!Number.isNaN(value)) { slider.value = placeOf(name, value); limit(name, value); }
    };
    byId("limits").append(element("label", { htmlFor: slider.id, title: of }, title(name)), slider, field);
  }
}

function limit(name, value) {
  if (Number.isFinite(value)) state.limits[name] = value; else delete state.limits[name];
  state.asked = undefined;
  state.chosen = undefined;
  draw();
  clearTimeout(limit.waiting);
  if (data.live && answerable) limit.waiting = setTimeout(searchOn, 400);
}

/** The answer again, by a search: the front knows many candidates, not all. */
async function searchOn() {
  const limits = { ...state.limits }, asked = JSON.stringify(limits);
  try {
    const reply = await ask("ask", { limits });
    const found = add({ ...reply, from: "found by a search" });
    if (asked === JSON.stringify(state.limits)) state.asked = { ...reply, candidate: found };
  } catch (error) {
    if (asked === JSON.stringify(state.limits)) state.asked = { error: error.message };
  }
  draw();
}

function drawAnswer(top, tied) {
  const box = byId("answer");
  if (!answerable) { box.replaceChildren(element("p", {}, "There is no predictor yet: the run's rounds make it. What is trained shows as it comes.")); return; }
  if (!top) {
    const near = data.costs.filter(({ name }) => name in state.limits).map(({ name }) => `${title(name)} goes down to ${shorten(ends[name][0])}`);
    box.replaceChildren(element("p", {}, `Nothing known keeps these limits. ${near.join(", ")}.`));
    return;
  }
  const more = state.asked?.error ? state.asked.error : state.asked ? `Searched in ${state.asked.seconds} s: ${state.asked.ties}${state.asked.cut ? "+" : ""} near-ties in all.`
    : data.live ? "From the front; a search follows." : "From a front computed beforehand.";
  box.replaceChildren(
    element("p", {}, element("strong", {}, spell(top.value, top.std))),
    element("p", {}, `predicted ${data.of}`),
    element("p", {}, data.costs.map(({ name }) => `${title(name)} ${shorten(top.costs[name])}`).join(", ")),
    element("p", { className: "note" }, `${tied.length} near-ties on the front. ${more}`));
}

// -- the family -------------------------------------------------------------------------------------------------------

function firstBudgets() {
  const own = data.family.map(member => member.budget[state.axis]).filter(Number.isFinite);
  if (own.length) return [...new Set(own)].sort((one, other) => one - other);
  return [80, 160, 240, 320].map(place => valueAt(state.axis, place));
}

function familyNow() {
  const own = state.limits[state.axis], budgets = own === undefined || state.budgets.includes(own) ? state.budgets : [...state.budgets, own];
  return [...budgets].sort((one, other) => one - other).flatMap(budget => {
    const limits = { ...state.limits, [state.axis]: budget };
    const candidate = best(limits);
    return candidate ? [{ budget, candidate, limits }] : [];
  });
}

function drawFamily(family) {
  const head = element("tr", {}, ...["budget", "predicted", "gain", "ties", ...data.costs.map(({ name }) => title(name)), "fully trained"].map(text => element("th", {}, text)));
  let before;
  const rows = family.map(({ budget, candidate, limits }) => {
    const gain = before === undefined ? "" : `${candidate.value >= before ? "+" : "-"}${figure(Math.abs(candidate.value - before))}`;
    before = candidate.value;
    const trained = candidate.validation != null ? `${figure(candidate.validation)} validation, ${figure(candidate.test)} test` : "-";
    return element("tr", { onclick: () => choose(candidate), className: candidate === state.chosen ? "chosen" : "" },
      ...[shorten(budget), spell(candidate.value, candidate.std), gain, `${ties(limits).length}`, ...data.costs.map(({ name }) => shorten(candidate.costs[name])), trained].map(text => element("td", {}, text)));
  });
  byId("family").replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
}

// -- candidates -------------------------------------------------------------------------------------------------------

function choose(candidate) {
  state.chosen = candidate;
  if (candidate.curve) state.sample = candidate;
  draw();
}

function named(candidate) {
  return candidate.curve ? `Trained in round ${candidate.round}, seed ${candidate.seed}` : candidate.from ? `Candidate, ${candidate.from}` : "Candidate of the front";
}

function save(name, text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "text/yaml" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function buttons() {
  const button = (text, act, why = "") => byId("actions").append(element("button", { textContent: text, onclick: act, disabled: Boolean(why), title: why, id: text.toLowerCase().replace(/\W+/g, "-") }));
  button("Compare with this", () => { state.pinned = state.pinned === state.shown ? undefined : state.shown; draw(); });
  button("Copy the command", async () => {
    const text = command(state.limits);
    try { await navigator.clipboard.writeText(text); say(`Copied: ${text}`); } catch { say(text); }
  });
  button("Download YAML", async () => {
    if (!data.live) { save("settings.yaml", Object.entries(record(state.shown.row)).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`).join("")); return; }
    const made = await attempt("files", { row: state.shown.row });
    Object.entries(made ?? {}).forEach(([name, text]) => save(name, text));
  });
  if (!data.live) return;
  const why = data.trains ? "" : "Only a run on images with a predictor trains from here: nars train takes the YAML";
  for (const [text, place] of [["Train this", "train"], ["Export ONNX", "export"]])
    button(text, async () => showJob(await attempt(place, { row: state.shown.row, limits: state.limits })), why);
}

const say = text => { byId("said").textContent = text; };

async function ask(place, question) {
  const reply = await fetch(place, { method: "POST", body: JSON.stringify(question), headers: { "Content-Type": "application/json" } });
  const said = await reply.json();
  if (!reply.ok) throw new Error(said.error);
  return said;
}

async function attempt(place, question) {
  say("");
  try { return await ask(place, question); } catch (error) { say(error.message); return undefined; }
}

function showJob(job) {
  if (!job?.state) return;
  const [, done, all] = /: ([\d,]+) of ([\d,]+)\b/.exec(job.lines.at(-1) ?? "") ?? [];
  const bar = byId("job-bar"), count = text => +text.replace(/,/g, "");
  bar.hidden = job.state !== "running";
  if (done) { bar.max = count(all); bar.value = count(done); } else bar.removeAttribute("value");
  byId("job").hidden = false;
  byId("job").textContent = `${job.title}: ${job.state}\n${job.lines.join("\n")}`;
}

// -- what was trained -------------------------------------------------------------------------------------------------

function drawSamples() {
  state.found = sorted(filtered(data.samples, byId("find").value));
  byId("count").textContent = `${state.found.length.toLocaleString("en")} of ${data.samples.length.toLocaleString("en")}`;
  byId("rows").style.height = `${Math.min(330, (state.found.length + 1) * HEIGHT + 6)}px`;
  drawSight();
  cancelAnimationFrame(drawSamples.waiting);
  drawSamples.waiting = requestAnimationFrame(() => { drawCurves(byId("curves"), state.found, state.sample); drawSpots(); });
}
const drawSight = () => drawRows(byId("samples"), state.found, state.sample, choose, drawSamples);

/** A run that goes on: what is new comes every two seconds. */
async function watch() {
  const since = data.samples.reduce((latest, one) => one.finished > latest ? one.finished : latest, "");
  try {
    const now = await ask("live", { since });
    if (now.reload) { location.reload(); return; }
    const known = new Set(data.samples.map(one => one.key)), fresh = now.samples.filter(one => !known.has(one.key));
    data.samples.push(...fresh);
    byId("state").textContent = now.progress;
    showJob(now.job);
    if (fresh.length) { drawSamples(); draw(); }
    setTimeout(watch, 2000);
  } catch {
    byId("state").textContent = "nars explore has ended; what is here stays readable. The same command opens it again, at another address.";
  }
}

// -- all of it --------------------------------------------------------------------------------------------------------

function draw() {
  const top = state.asked?.candidate ?? best(state.limits);
  state.tied = ties(state.limits);
  state.family = answerable && state.axis ? familyNow() : [];
  state.shown = state.chosen ?? top ?? data.samples.at(-1);
  drawSpots();
  drawAnswer(top, state.tied);
  drawFamily(state.family);
  const shown = state.shown ? [card(state.shown, named(state.shown), state.pinned && state.pinned !== state.shown ? state.pinned : undefined)] : [];
  if (state.pinned && state.pinned !== state.shown) shown.push(card(state.pinned, `${named(state.pinned)} (kept to compare)`, state.shown));
  byId("candidates").replaceChildren(...shown);
  const compare = byId("compare-with-this");
  compare.textContent = state.pinned ? state.pinned === state.shown ? "Stop comparing" : "Compare with this instead" : "Keep this to compare";
  for (const id of ["compare-with-this", "download-yaml"]) byId(id).disabled = !state.shown;
}

/** The plot; of the samples those that the table has. */
function drawSpots() {
  if (!state.axis || !(answerable || data.samples.length)) return;
  state.spots = drawPlot(byId("plot"), { cost: state.axis, samples: state.found, chosen: state.shown, tied: state.tied, family: state.family, limit: state.limits[state.axis] });
}

function hovering() {
  const canvas = byId("plot"), box = byId("hover");
  canvas.onpointermove = event => {
    const spot = nearest(state.spots, event.offsetX, event.offsetY);
    box.hidden = !spot;
    canvas.style.cursor = spot ? "pointer" : "";
    if (!spot) return;
    const { one, kind } = spot, costs = data.costs.map(({ name }) => `\n${title(name)} ${shorten(one.costs[name])}`).join("");
    const more = kind === "trained" && one.value !== undefined ? `\nby the predictor, which has learned from it, ${spell(one.value, one.std)}` : "";
    box.textContent = `${kind}: ${kind === "trained" ? `${spell(one.measured)}, round ${one.round}` : spell(one.value, one.std)}${more}${costs}`;
    box.style.left = `${Math.min(spot.x + 14, canvas.clientWidth - box.offsetWidth - 4)}px`;
    box.style.top = `${Math.max(0, spot.y - box.offsetHeight - 8)}px`;
  };
  canvas.onpointerleave = () => { box.hidden = true; };
  canvas.onclick = event => { const spot = nearest(state.spots, event.offsetX, event.offsetY); if (spot) choose(spot.one); };
}

function begin() {
  document.title = `nars: ${data.name}`;
  byId("name").textContent = data.name;
  byId("about").textContent = [data.about, `Space ${data.space}. Figures are ${data.metric.title}, ${sign > 0 ? "the more the better" : "the less the better"}; ± is one standard deviation.`].filter(Boolean).join(" ");
  byId("state").textContent = data.progress;
  byId("plot-title").textContent = `${title(data.metric.name).replace(/^./, letter => letter.toUpperCase())} against cost`;
  byId("plot-says").textContent = `${sign > 0 ? "Up" : "Down"} and to the left is better. Point at a dot for its figures, click it to see the candidate.`;
  for (const [color, text, there] of [["gray", "trained (darker: later)", data.samples.length], ["blue", "predicted, the front", answerable], ["orange", "near-ties of the answer", answerable], ["red", "the family", answerable]])
    if (there) { const key = element("span", { className: "key" }); key.style.background = `var(--${color})`; byId("legend").append(key, text); }
  for (const { name } of data.costs) byId("axis").append(element("option", { value: name }, title(name)));
  byId("axis").onchange = () => { state.axis = byId("axis").value; state.budgets = firstBudgets(); byId("budgets").value = state.budgets.map(shorten).join(", "); draw(); };
  if (!state.axis) byId("asking-title").textContent = "The best candidate";
  if (!data.networks) byId("candidates-title").textContent = "The candidate";
  if (answerable) limitFields();
  buttons();
  hovering();
  if (state.axis) {
    state.budgets = firstBudgets();
    byId("budgets").value = state.budgets.map(shorten).join(", ");
    byId("budgets").oninput = () => {
      const values = byId("budgets").value.split(",").filter(text => text.trim()).map(quantity);
      byId("budgets").classList.toggle("wrong", values.some(Number.isNaN));
      if (!values.some(Number.isNaN)) { state.budgets = values.sort((one, other) => one - other); draw(); }
    };
  }
  byId("seeing").hidden = !state.axis;
  byId("family-section").hidden = !answerable || !state.axis;
  byId("effects-section").hidden = !data.effects.length;
  if (data.effects.length) {
    byId("effects-says").textContent = "Each choice changed alone in 64 candidates of the front: how far the mean prediction moves, from its least to its best value. The line is that mean over the values, all to one scale.";
    byId("effects").append(...effectCards());
  }
  byId("samples-section").hidden = !data.samples.length && !data.live;
  byId("find").oninput = drawSamples;
  byId("rows").onscroll = drawSight;
  new ResizeObserver(() => { draw(); drawCurves(byId("curves"), state.found, state.sample); }).observe(byId("plot"));
  matchMedia("(prefers-color-scheme: dark)").onchange = () => { draw(); drawSamples(); };
  state.found = sorted([...data.samples]);
  draw();
  drawSamples();
  if (data.live) { if (answerable) limit.waiting = setTimeout(searchOn, 400); if (data.progress) watch(); }
}

begin();
