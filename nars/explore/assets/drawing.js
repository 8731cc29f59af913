// A candidate as a drawing, a sentence and a table.

/** An element with properties and children; text goes in as text. */
function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function svg(kind, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The numbered stages of a network with their settings; none for candidates of another kind. */
function stages(row) {
  const all = record(row), found = [];
  for (let n = 1; `stage${n}.depth` in all; n++)
    found.push(Object.fromEntries(Object.entries(all).filter(([name]) => name.startsWith(`stage${n}.`)).map(([name, value]) => [name.slice(`stage${n}.`.length), value])));
  return found;
}

/** Blocks from left to right: as tall as the image is there, as wide as there are channels. */
function drawing(row) {
  const all = record(row), parts = stages(row);
  if (!parts.length || !all.resolution) return null;
  const stem = all["stem.stride"] ?? 1, shapes = [];
  let side = all.resolution / stem;
  shapes.push({ name: "stem", side, blocks: 1, channels: all["stem.channels"], says: [] });
  parts.forEach((stage, n) => {
    if (!stage.depth) return;
    side = Math.ceil(side / (stage.stride ?? 1));
    const kernel = stage.kernel_first ?? stage.kernel, expand = stage.expand_first ?? stage.expand;
    shapes.push({ name: `stage ${n + 1}`, side, blocks: stage.depth, channels: stage.channels, squeeze: stage.se,
      says: [`${stage.depth} × k${kernel}`, `e${expand}${stage.se ? " SE" : ""}`] });
  });
  const tall = shape => 24 + 70 * Math.sqrt(shape.side / all.resolution);
  const wide = shape => 5 + 3 * Math.log2(shape.channels ?? 8);
  const picture = svg("svg", { role: "img", "aria-label": "stages" });
  let x = 4;
  for (const shape of shapes) {
    const left = x, height = tall(shape);
    for (let block = 0; block < shape.blocks; block++, x += wide(shape) + 3)
      picture.append(svg("rect", { x, y: 52 - height / 2, width: wide(shape), height, rx: 2, class: shape.squeeze ? "squeeze" : "" }));
    [shape.name, `${shape.channels} ch, ${Math.round(shape.side)} px`, ...shape.says].forEach((text, line) =>
      picture.append(svg("text", { x: left, y: 116 + 14 * line }, text)));
    x = Math.max(x + 10, left + 82);
  }
  picture.setAttribute("viewBox", `0 0 ${Math.max(x, 420)} 166`);
  return picture;
}

/** "Trained with sgd, learning rate 0.0123, ..." */
function recipe(row) {
  const settings = Object.entries(used(row)).filter(([name]) => name.startsWith("recipe.")).map(([name, value]) => [title(name.slice(7)), value]);
  const at = settings.findIndex(([name]) => name === "optimizer");
  const optimizer = at < 0 ? [] : settings.splice(at, 1);
  const off = settings.filter(([, value]) => value === 0 || value === false || value === "none").map(([name]) => name);
  const on = settings.filter(([name]) => !off.includes(name)).map(([name, value]) =>
    value === true ? name : `${name} ${typeof value === "number" ? +value.toPrecision(3) : value}`);
  const words = [...optimizer.map(([, value]) => String(value)), ...on];
  if (!words.length) return "";
  return `Trained with ${words.join(", ")}${off.length ? `; without ${off.join(", ")}` : ""}.`;
}

/** One candidate; settings in which it differs from `other` stand out. */
function card(candidate, heading, other) {
  const all = used(candidate.row), there = other && used(other.row);
  const differing = there ? Object.keys({ ...all, ...there }).filter(name => all[name] !== there[name]) : [];
  const table = element("table"), body = table.createTBody();
  const line = (name, value) => {
    const tr = body.insertRow();
    tr.className = differing.includes(name) ? "differs" : "";
    tr.append(element("td", {}, name.replace("recipe.", "")), element("td", {}, typeof value === "number" ? `${+value.toPrecision(4)}` : String(value ?? "-")));
  };
  const costs = data.costs.map(({ name }) => name).filter(name => name in candidate.costs);
  const box = element("div", { className: "candidate" }, element("h3", {}, heading));
  const said = [candidate.value !== undefined && `${candidate.curve ? "fitted" : "predicted"} ${spell(candidate.value, candidate.std)}`,
    candidate.measured != null && `measured ${spell(candidate.measured)}`,
    candidate.status && candidate.status !== "ok" && `its training failed: ${candidate.message || candidate.status}`,
    candidate.validation != null && `fully trained: validation ${spell(candidate.validation)}, test ${spell(candidate.test)}`].filter(Boolean);
  box.append(element("p", {}, said.join("; ")), element("p", { className: "note" }, costs.map(name => `${title(name)} ${shorten(candidate.costs[name])}`).join(", ")));
  const picture = drawing(candidate.row);
  if (picture) box.append(picture);
  box.append(element("p", {}, recipe(candidate.row)));
  if (there) {
    const names = Object.keys({ ...there, ...all }).filter(name => differing.includes(name));
    box.append(element("p", { className: "note" }, differing.length ? `${differing.length} settings differ:` : "The same candidate."));
    names.forEach(name => line(name, all[name]));
    box.append(table);
  } else {
    Object.entries(all).forEach(([name, value]) => line(name, value));
    box.append(element("details", {}, element("summary", {}, "All settings"), table));
  }
  return box;
}

/** Each choice with its mean prediction over its values, strongest first. */
function effectCards() {
  const high = Math.max(...data.effects.map(one => one.spread));
  return data.effects.filter(one => one.spread > high / 100).slice(0, 18).map(one => {
    const low = Math.min(...one.mean), points = one.mean.map((mean, n) =>
      `${(100 * (n + 0.5)) / one.mean.length},${42 - 38 * (mean - low) / (high || 1)}`);
    const top = one.values[one.mean.reduce((at, mean, n) => sign * mean > sign * one.mean[at] ? n : at, 0)];
    const ends = one.values.length > 1 ? `${one.values[0] ?? "none"} … ${one.values.at(-1) ?? "none"}` : "";
    return element("div", { className: "effect" }, element("strong", {}, one.name.replace("recipe.", "")),
      element("span", {}, `${figure(one.spread)}${unit}`),
      svg("svg", { viewBox: "0 0 100 46", preserveAspectRatio: "none" }, svg("polyline", { points: points.join(" ") })),
      element("span", {}, ends), element("span", {}, `best ${typeof top === "number" ? +top.toPrecision(3) : top}`));
  });
}
