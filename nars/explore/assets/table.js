// The samples as a table: filtered and sorted as a whole, drawn only where it is looked at.

const HEIGHT = 28, AROUND = 12;

/** Cells of a sample by heading. */
const columns = [
  ["round", one => one.round], ["status", one => one.status], [data.metric.title, one => one.measured],
  ["fitted", one => one.value],
  ...data.costs.map(({ name }) => [title(name), one => one.costs[name]]),
  ["epochs", one => one.epochs], ["seconds", one => one.seconds], ["message", one => one.message],
];
const numbers = new Set(data.costs.map(({ name }) => title(name)));

function cell(heading, value) {
  if (value === null || value === undefined || value === "") return "-";
  if (numbers.has(heading)) return shorten(value);
  return heading === data.metric.title || heading === "fitted" ? figure(value) : String(value);
}

/** What a word of the query asks of a sample: "round>2", "channels=24" (columns and settings), or a word of any. */
function asked(word) {
  const [, before, operator, value] = /^([a-z_.0-9]+)(<=|>=|<|>|=)(.+)$/i.exec(word) ?? [], name = before?.toLowerCase();
  const columnsOf = columns.filter(([heading]) => name && heading.toLowerCase().startsWith(name.replace(/_/g, " "))).map(([, of]) => of);
  if (name && operator !== "=") {
    const limit = quantity(value), [of] = columnsOf;
    if (!of || Number.isNaN(limit)) return () => false;
    return sample => of(sample) != null && (operator[0] === "<" ? of(sample) < limit : of(sample) > limit) || (operator[1] === "=" && of(sample) === limit);
  }
  const text = (name ? value : word).toLowerCase(), fits = [];
  for (const [setting, values, column] of data.settings) {
    if (name && !setting.toLowerCase().includes(name)) continue;
    const at = new Set(values.flatMap((one, n) => String(one).toLowerCase() === text ? [n] : []));
    if (at.size) fits.push(column === null ? () => true : row => at.has(row[column]));
  }
  const says = name ? sample => columnsOf.some(of => String(of(sample)).toLowerCase() === text)
    : sample => sample.status.includes(text) || (sample.message ?? "").toLowerCase().includes(text);
  return sample => says(sample) || fits.some(fit => fit(sample.row));
}

/** The samples that fit every word of the query. */
function filtered(samples, query) {
  const tests = query.split(/\s+/).filter(Boolean).map(asked);
  return samples.filter(sample => tests.every(test => test(sample)));
}

const sorting = { heading: "round", falling: true };

function sorted(samples) {
  const [, of] = columns.find(([heading]) => heading === sorting.heading), way = sorting.falling ? -1 : 1;
  const keyed = samples.map(sample => [of(sample), sample]);
  keyed.sort(([a], [b]) => a == null || b == null ? (a == null) - (b == null) : way * (a < b ? -1 : a > b ? 1 : 0));
  return keyed.map(([, sample]) => sample);
}

/** Draw the rows that are in sight. */
function drawRows(table, found, chosen, choose, resort) {
  const box = table.parentElement, first = Math.max(0, Math.floor(box.scrollTop / HEIGHT) - AROUND);
  const shown = found.slice(first, first + Math.ceil(box.clientHeight / HEIGHT) + 2 * AROUND);
  const head = element("thead", {}, element("tr", {}, ...columns.map(([heading]) => element("th", {
    textContent: heading + (heading === sorting.heading ? sorting.falling ? " ↓" : " ↑" : ""),
    onclick: () => { sorting.falling = heading === sorting.heading ? !sorting.falling : true; sorting.heading = heading; resort(); } }))));
  const gap = rows => { const tr = element("tr", { className: "gap" }, element("td", { colSpan: columns.length })); tr.firstChild.style.height = `${rows * HEIGHT}px`; return tr; };
  const body = element("tbody", {}, gap(first), ...shown.map(sample => element("tr", { className: sample === chosen ? "chosen" : "", onclick: () => choose(sample) },
    ...columns.map(([heading, of]) => element("td", {}, cell(heading, of(sample)))))), gap(found.length - first - shown.length));
  table.replaceChildren(head, body);
}
